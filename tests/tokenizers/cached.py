"""The test tokenizers, each built and loaded once in a test run."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.tokenizers.build import FAST, SLOW

_ROOT = Path(tempfile.mkdtemp(prefix="test-tokenizers-"))
atexit.register(shutil.rmtree, _ROOT, ignore_errors=True)
# Where `transformers` copies a folder's own code before it imports it; read at its own import.
os.environ.setdefault("HF_MODULES_CACHE", str(_ROOT / "modules"))

from app.prompting.tokenizer_loading import load_hub_tokenizer  # noqa: E402
from app.prompting.tokenizers import Tokenizer, load_tokenizer  # noqa: E402


@cache
def folder(kind: str) -> Path:
    """The Hugging Face folder of one kind, a key of FAST or SLOW."""
    path = _ROOT / kind
    {**FAST, **SLOW}[kind](path)
    return path


@cache
def tokenizer(kind: str) -> Tokenizer:
    return load_tokenizer(folder(kind), trust_remote_code=kind in SLOW)


@cache
def hub_tokenizer(kind: str) -> Any:
    """What `transformers` itself makes of the folder: the reference, used by tests alone."""
    return load_hub_tokenizer(folder(kind), trust_remote_code=kind in SLOW)
