"""What there is at the addresses that were given: which protocol, and which models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.errors import ApiError
from app.terminal.escapes import one_line
from app.terminal.failures import EXIT_CONFIGURATION, CommandError
from app.triton.address import Address
from app.triton.contract import ModelContract
from app.triton.repository import GrpcRepository, HttpRepository, ListedModel, Repository

# Seconds that a Triton gets for each question.
TIMEOUT = 5.0
GRPC, HTTP = "gRPC", "HTTP"
KINDS: Mapping[str, Callable[[Address, float], Repository]] = {
    HTTP: HttpRepository,
    GRPC: GrpcRepository,
}
# Triton's own ports are 8000 for HTTP and 8001 for gRPC.
STEPS = {HTTP: -1, GRPC: 1}


@dataclass(slots=True)
class TritonSurvey:
    """A Triton: its address for each protocol as far as it is known, and its models by name."""

    addresses: dict[str, str] = field(default_factory=dict)
    models: dict[str, ListedModel] = field(default_factory=dict)
    _asked: Repository | None = None

    @classmethod
    def of(cls, urls: Sequence[str]) -> TritonSurvey:
        """Ask those addresses. Raises CommandError where one of them is no Triton's."""
        survey = cls()
        for url in urls:
            protocol, repository, models = _found(url)
            survey.addresses[protocol] = url
            survey._asked = repository
            survey.models.update({model.name: model for model in models})
        for protocol in KINDS:
            survey._look_for(protocol)
        return survey

    def contract(self, model: str) -> ModelContract:
        """What the model says of itself. Raises CommandError."""
        assert self._asked is not None
        try:
            return self._asked.contract(model)
        except ApiError as error:
            raise CommandError(
                f"Triton does not say what {one_line(model)} takes: {_words(error)}"
            ) from None

    def address(self, protocol: str) -> str:
        """Raises CommandError where only the other protocol's is known."""
        if protocol in self.addresses:
            return self.addresses[protocol]
        known = ", ".join(self.addresses.values())
        raise CommandError(
            f"such a model is reached over {protocol}, and {known} is not Triton's {protocol} port",
            advice=f"Give that address, too: --triton {known} --triton HOST:PORT",
            code=EXIT_CONFIGURATION,
        )

    def _look_for(self, protocol: str) -> None:
        """The other port is the neighbour, if a Triton with the same models answers there."""
        if protocol in self.addresses:
            return
        (known,) = self.addresses.values()
        host, _, port = known.rpartition(":")
        neighbour = f"{host}:{int(port) + STEPS[protocol]}"
        try:
            models = KINDS[protocol](Address.parse(neighbour), TIMEOUT).models()
        except (ApiError, ValueError, OverflowError):
            return
        if {model.name for model in models} == set(self.models):
            self.addresses[protocol] = neighbour


def _found(url: str) -> tuple[str, Repository, list[ListedModel]]:
    address = _address(url)
    failures = []
    for protocol, kind in KINDS.items():
        repository = kind(address, TIMEOUT)
        try:
            return protocol, repository, repository.models()
        except ApiError as error:
            failures.append(f"{protocol}: {_words(error)}")
    raise CommandError(
        f"no Triton answers at {url}",
        advice="It was tried over " + "; over ".join(failures) + ". Is it running, and is this"
        " its gRPC or HTTP port (8001 and 8000 unless they were changed)?",
    )


def _address(url: str) -> Address:
    try:
        address = Address.parse(url)
        if address.host and 0 < address.port < 65536:
            return address
    except ValueError:
        pass
    raise CommandError(
        f"{url!r} is no address with a port",
        advice="Write it like localhost:8001.",
        code=EXIT_CONFIGURATION,
    )


def _words(error: ApiError) -> str:
    return one_line(error.detail or error.message)
