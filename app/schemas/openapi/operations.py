"""Which paths there are: what each takes, what it answers, and which errors it can have."""

from __future__ import annotations

from app.schemas.openapi.encoder_operations import ENCODERS
from app.schemas.openapi.generation_operations import GENERATION
from app.schemas.openapi.operation import Operation
from app.schemas.openapi.server_operations import SERVER
from app.schemas.openapi.token_operations import TOKENS

OPERATIONS: tuple[Operation, ...] = (*GENERATION, *ENCODERS, *TOKENS, *SERVER)
