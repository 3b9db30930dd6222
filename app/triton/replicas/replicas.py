"""The Tritons of one model: the least busy is asked, and those that fail are left alone."""

from __future__ import annotations

import copy
import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any, Generic, TypeVar

from app.errors import ApiError, BackendUnavailable
from app.observability import metrics
from app.triton.address import Address
from app.triton.errors import unavailable
from app.triton.replicas.breaker import CLOSED, MAX_PAUSE
from app.triton.replicas.budget import RetryBudget
from app.triton.replicas.replica import Lease, Replica
from app.triton.replicas.sites import Lookup, Sites

log = logging.getLogger(__name__)

C = TypeVar("C")
T = TypeVar("T")

# Seconds between two probes of a Triton that is left alone.
PROBE_INTERVAL = 0.5
# Seconds for which the answers of `states` are used.
ASKING_INTERVAL = 1.0
MAX_PROBES_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """Whether a Triton can be used for a model, and why not."""

    address: Address
    error: ApiError | None

    @property
    def is_ready(self) -> bool:
        """True where nothing is wrong."""
        return self.error is None


class Replicas(Generic[C]):
    """The Tritons of the model `name`, at `urls`.

    `probe` asks one of them whether it serves the model, and raises ApiError where it does not.
    `lookup_timeout` in seconds is for looking up their names.
    """

    def __init__(
        self,
        name: str,
        urls: Sequence[str],
        sites: Sites[C],
        probe: Callable[[C], object],
        lookup_timeout: float = 1.0,
    ) -> None:
        self._name = name
        self._lookup = Lookup(urls)
        self._sites = sites
        self._ask = probe
        self._lookup_timeout = lookup_timeout
        self._lock = threading.Lock()
        self._known: dict[Address, Replica[C]] = {}
        self._turns = count()
        self._budget = RetryBudget()
        self._is_probing = False
        # What the metrics say of each, by its place.
        self._shown: dict[int, str] = {}
        self._asking = threading.Lock()
        self._asked_at = -math.inf
        self._answers: list[tuple[Replica[C], ApiError | None]] = []

    def attempt(
        self, send: Callable[[Lease[C]], T], *, repeats_broken: bool = False
    ) -> tuple[T, Lease[C]]:
        """What `send` gives with the least busy Triton, and the call that is to be closed.

        Where that Triton cannot have begun, another is asked, once. `repeats_broken` asks again
        also where the connection broke, if need be the same Triton: for work that can be repeated.

        Raises:
            ApiError: what `send` raises, or that all are to be left alone.
        """
        self._budget.earn()
        lease = self._lease()
        try:
            return self._sent(send, lease), lease
        except ApiError as error:
            again = self._lease_again(lease, error, repeats_broken=repeats_broken)
            if again is None:
                raise
            metrics.backend_retried(self._name)
            log.info("%s is asked again after: %s", self._name, error.detail)
        return self._sent(send, again), again

    def failed(self, lease: Lease[C], error: ApiError) -> None:
        """A call has failed after it was begun; it is still to be closed."""
        lease.failed(error)
        if _needs_probes(lease.replica):
            self._probe_soon()

    def states(self) -> list[ReplicaState]:
        """What every Triton says of the model, unless calls to it have shown that it cannot.

        They are asked at most once a second, however often this is called.
        """
        with self._asking:
            if time.monotonic() >= self._asked_at + ASKING_INTERVAL:
                replicas = self._current()
                with ThreadPoolExecutor(min(len(replicas), MAX_PROBES_AT_ONCE)) as pool:
                    self._answers = list(
                        zip(replicas, pool.map(self._probe, replicas), strict=True)
                    )
                self._asked_at = time.monotonic()
            return [_state(replica, error) for replica, error in self._answers]

    def _sent(self, send: Callable[[Lease[C]], T], lease: Lease[C]) -> T:
        try:
            return send(lease)
        except BaseException as error:
            if isinstance(error, ApiError):
                self.failed(lease, error)
            lease.close()
            raise

    def _lease(self, avoided: Replica[C] | None = None) -> Lease[C]:
        replicas = [replica for replica in self._current() if replica is not avoided]
        # Where several are as good, each has its turn.
        start = next(self._turns) % max(len(replicas), 1)
        for replica in sorted(replicas[start:] + replicas[:start], key=_reluctance):
            lease = replica.lease()
            if lease is not None:
                return lease
        raise _left_alone(replicas)

    def _lease_again(
        self, lease: Lease[C], error: ApiError, *, repeats_broken: bool
    ) -> Lease[C] | None:
        is_broken = repeats_broken and error.is_broken_connection
        if not (error.has_not_begun or is_broken):
            return None
        try:
            again: Lease[C] | None = self._lease(avoided=lease.replica)
        except BackendUnavailable:
            again = lease.replica.lease() if is_broken else None
        if again is not None and not self._budget.spend():
            again.close()
            return None
        return again

    def _current(self) -> list[Replica[C]]:
        addresses = self._lookup.addresses(self._lookup_timeout)
        with self._lock:
            if list(self._known) != list(addresses):
                self._known = {
                    address: self._known.get(address)
                    or Replica(address, self._sites.connection(address))
                    for address in addresses
                }
            return list(self._known.values())

    def _probe(self, replica: Replica[C]) -> ApiError | None:
        try:
            self._ask(replica.connection)
        except ApiError as error:
            return error
        return None

    def _probe_soon(self) -> None:
        with self._lock:
            if self._is_probing:
                return
            self._is_probing = True
        arguments = (weakref.ref(self), self._name, self._shown)
        probes = threading.Thread(target=_keep_probing, args=arguments, name="probes", daemon=True)
        try:
            probes.start()
        except RuntimeError:  # out of threads; the next failure tries again
            self._is_probing = False

    def _probe_open(self) -> bool:
        """Ask those that are left alone or suspect; False if there are none any more."""
        with self._lock:
            replicas = [each for each in self._known.values() if _needs_probes(each)]
            self._is_probing = bool(replicas)
        for replica in replicas:
            replica.breaker.probed(is_ready=self._probe(replica) is None)
        self._tell()
        return bool(replicas)

    def _tell(self) -> None:
        known = list(self._known.values())
        for index, replica in enumerate(known):
            self._tell_log(replica)
            self._shown[index] = replica.breaker.state
        for index in range(len(known), len(self._shown)):
            # It is no longer among the addresses of its name.
            self._shown[index] = CLOSED
        _show(self._name, self._shown)

    def _tell_log(self, replica: Replica[C]) -> None:
        error, where = replica.breaker.error, replica.address.host_and_port
        if error is not None and not replica.is_told:
            log.warning("%s: Triton at %s is left alone: %r", self._name, where, error.detail or "")
        elif error is None and replica.is_told:
            log.info("%s: Triton at %s answers again", self._name, where)
        replica.is_told = error is not None


def _keep_probing(reference: weakref.ref[Replicas[Any]], name: str, shown: dict[int, str]) -> None:
    """Until all answer, or the model is served no more."""
    while True:
        replicas = reference()
        if replicas is None:
            _show(name, dict.fromkeys(shown, CLOSED))
            return
        try:
            if not replicas._probe_open():
                return
        except Exception:  # without probes nobody would ask again
            log.exception("a probe failed")
        del replicas
        time.sleep(PROBE_INTERVAL)


def _show(name: str, states: Mapping[int, str]) -> None:
    for index, state in states.items():
        metrics.breaker_changed(name, index, state)


def _state(replica: Replica[Any], error: ApiError | None) -> ReplicaState:
    return ReplicaState(replica.address, replica.breaker.known_error or error)


def _reluctance(replica: Replica[Any]) -> tuple[bool, int]:
    return replica.breaker.is_suspect, replica.num_outstanding


def _needs_probes(replica: Replica[Any]) -> bool:
    return replica.breaker.error is not None or replica.breaker.is_suspect


def _left_alone(replicas: Sequence[Replica[C]]) -> ApiError:
    """The error of the Triton that is tried next, with the seconds until then."""
    if not replicas:
        return unavailable("there is no other Triton")
    first = min(replicas, key=lambda replica: replica.breaker.remaining)
    error = copy.copy(first.breaker.error) or unavailable("a trial is under way")
    if not isinstance(error, BackendUnavailable):
        error = unavailable(f"left alone after: {error.detail}")
    error.retry_after = min(max(math.ceil(first.breaker.remaining), 1), int(MAX_PAUSE))
    return error
