"""Whether the models can be used: each one's Triton is asked, all at the same time."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakKeyDictionary

from app.errors import ApiError, BackendError, BackendTimeout, BackendUnavailable
from app.observability.metrics import backends_asked
from app.services.catalogue import Catalogue, ServedModel
from app.triton.address import Address
from app.triton.errors import ModelNotReady
from app.triton.replicas import ReplicaState

log = logging.getLogger(__name__)

MAX_CONCURRENT_CHECKS = 16
# Seconds after which the log is told again what has not changed.
REMARK_INTERVAL = 60.0
# Seconds between the looks of `keep_asking`.
ASKING_INTERVAL = 10.0
# Seconds for which a misfit is believed: Triton is not read anew for each question.
MISFIT_INTERVAL = 1.0
# Whoever asks may be no operator: neither addresses nor Triton's own words.
MISFIT = "the model in Triton does not fit its entry: it has other tensors"
UNREACHED = "its Triton cannot be reached"
SILENT = "its Triton does not answer in time"


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


def keep_asking(catalogue: Callable[[], Catalogue]) -> None:
    """Ask regularly from now on, for the metrics and the log, whether or not anybody else does."""
    threading.Thread(target=_ask, args=(catalogue,), name="readiness", daemon=True).start()


def _ask(catalogue: Callable[[], Catalogue]) -> None:
    while True:
        time.sleep(ASKING_INTERVAL)
        try:
            readiness(catalogue())
        except Exception:  # the next look may go well
            log.exception("asking the models' Tritons failed")


def _report(model: ServedModel) -> dict[str, Any]:
    states = _states(model)
    num_ready = sum(state.is_ready for state in states)
    backends_asked(model.spec.name, num_ready, len(states))
    for address, error in _remarks.setdefault(model.backend.replicas, _Remarks()).new(states):
        where, detail = address.host_and_port, error.detail or ""
        log.warning("%s is not ready at %s: %s: %r", model.spec.name, where, error.code, detail)
    report: dict[str, Any] = {
        "ready": num_ready > 0,
        "tritons": {"ready": num_ready, "total": len(states)},
    }
    errors = [state.error for state in states if state.error is not None]
    if errors and not num_ready:
        report["cause"] = _cause(errors[0])
    return report


def _states(model: ServedModel) -> list[ReplicaState]:
    """What its Tritons say; where one has the model, it must also be the one of the entry."""
    states = model.backend.replicas.states()
    if not any(state.is_ready for state in states):
        return states
    misfit = _fits.setdefault(model.backend.replicas, _Fit()).misfit(model)
    if misfit is None:
        return states
    return [ReplicaState(state.address, state.error or misfit) for state in states]


def _cause(error: ApiError) -> str:
    """A Triton's state in words that name nothing inside; a request would be told otherwise."""
    if isinstance(error, BackendTimeout):
        return SILENT
    if isinstance(error, BackendUnavailable) and not isinstance(error, ModelNotReady):
        return UNREACHED
    return error.message


class _Fit:
    """Whether a model fits its entry, as last seen."""

    def __init__(self) -> None:
        self._misfit: ApiError | None = None
        self._asked_at = -math.inf

    def misfit(self, model: ServedModel) -> ApiError | None:
        """What is wrong with the model in Triton; read once where nothing is."""
        if self._misfit is None or time.monotonic() >= self._asked_at + MISFIT_INTERVAL:
            self._misfit = _misfit(model)
            self._asked_at = time.monotonic()
        return self._misfit


def _misfit(model: ServedModel) -> ApiError | None:
    try:
        model.backend.check_contract()
    except BackendError as error:
        return BackendError(MISFIT, detail=error.detail)
    except ApiError:  # it cannot be asked now, which the next look will show
        pass
    return None


class _Remarks:
    """What the log was told about a model's Tritons, and when: anybody may ask again and again."""

    def __init__(self) -> None:
        self._told: dict[Address, tuple[str | None, float]] = {}

    def new(self, states: Sequence[ReplicaState]) -> list[tuple[Address, ApiError]]:
        """What is wrong with each that was not so before, or was last told a minute ago."""
        now, before, found = time.monotonic(), self._told, []
        self._told = {}
        for address, error in ((state.address, state.error) for state in states):
            if error is None:
                continue
            code, told_at = before.get(address, ("", now))
            if code != error.code or now - told_at >= REMARK_INTERVAL:
                found.append((address, error))
                told_at = now
            self._told[address] = error.code, told_at
        return found


_remarks: WeakKeyDictionary[Any, _Remarks] = WeakKeyDictionary()
_fits: WeakKeyDictionary[Any, _Fit] = WeakKeyDictionary()
