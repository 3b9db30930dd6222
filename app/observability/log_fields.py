"""What a line of the log tells beside its message. It is loaded by all, so it loads nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

# Of the open requests that are traced: the trace's id, by the request's.
trace_ids: dict[str, str] = {}


def about(request_id: str, **fields: Any) -> dict[str, Any]:
    """For `extra` of a call that logs."""
    return {"fields": {"request_id": request_id, **fields}}


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """What the event tells beside its message, those fields that are known."""
    fields: Mapping[str, Any] | None = getattr(record, "fields", None)
    if fields is None:
        return {}
    found = {name: value for name, value in fields.items() if value is not None}
    trace_id = trace_ids.get(found.get("request_id", "")) if trace_ids else None
    return found if trace_id is None else {"trace_id": trace_id, **found}
