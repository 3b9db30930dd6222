"""Whether the models can be used: each one's Triton is asked, all at the same time."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from app.services.catalogue import Catalogue, ServedModel

log = logging.getLogger(__name__)

MAX_CONCURRENT_CHECKS = 16


def readiness(catalogue: Catalogue) -> dict[str, Any]:
    """The state of the server, and of each model with its cause when it is not ready.

    A model is ready if one of its Tritons is.
    """
    models = list(catalogue)
    with ThreadPoolExecutor(min(len(models), MAX_CONCURRENT_CHECKS) or 1) as pool:
        reports = list(pool.map(_report, models))
    return {
        "status": "ready" if all(report["ready"] for report in reports) else "not ready",
        "models": {model.spec.name: report for model, report in zip(models, reports, strict=True)},
    }


def _report(model: ServedModel) -> dict[str, Any]:
    states = model.backend.replicas.states()
    num_ready = sum(state.is_ready for state in states)
    for state in states:
        if state.error is not None:
            where, code = state.address.host_and_port, state.error.code
            detail = state.error.detail or ""
            log.warning("%s is not ready at %s: %s: %r", model.spec.name, where, code, detail)
    report: dict[str, Any] = {
        "ready": num_ready > 0,
        "tritons": {"ready": num_ready, "total": len(states)},
    }
    errors = [state.error for state in states if state.error is not None]
    if errors and not num_ready:
        report["cause"] = errors[0].message
    return report
