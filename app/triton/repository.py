"""Which models a Triton has, asked over either of its protocols: for the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Protocol
from urllib.parse import quote

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2

from app.registry import Timeouts
from app.triton.address import Address
from app.triton.contract import ModelContract, contract_from_json
from app.triton.errors import broken_contract, classify, unreached, with_port
from app.triton.grpc_client.call import CallEnded
from app.triton.grpc_client.channel import Channel
from app.triton.grpc_connection import SERVICE, GrpcConnection

READY = "READY"
OK = 200
MAX_BODY = 64 * 2**20
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, DecodeError)


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in a Triton's repository; `reason` is Triton's word on one that is not ready."""

    name: str
    state: str
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it can be asked."""
        return self.state == READY


class Repository(Protocol):
    """One protocol's side of a Triton. What cannot be asked raises ApiError."""

    def models(self) -> list[ListedModel]:
        """Every model, by name; of several versions the one that is ready."""

    def contract(self, model: str) -> ModelContract:
        """What the model says of itself."""


class GrpcRepository:
    """Over gRPC. `timeout` is in seconds, for each question."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._connection = GrpcConnection(address)
        self._channel = Channel(address.host_and_port, is_secure=address.is_secure)
        self._timeout = timeout

    def models(self) -> list[ListedModel]:
        request = service_pb2.RepositoryIndexRequest()
        try:
            answer = self._channel.ask(
                SERVICE + "RepositoryIndex", request.SerializeToString(), self._timeout
            )
        except CallEnded as ended:
            raise classify(ended.status.code, ended.status.text) from None
        with _readable():
            found = service_pb2.RepositoryIndexResponse.FromString(answer)
        return _best(ListedModel(item.name, item.state, item.reason) for item in found.models)

    def contract(self, model: str) -> ModelContract:
        return self._connection.contract(model, "", Timeouts(connect=self._timeout))


class HttpRepository:
    """Over HTTP. `timeout` is in seconds of silence."""

    def __init__(self, address: Address, timeout: float) -> None:
        self._address = address
        self._timeout = timeout

    def models(self) -> list[ListedModel]:
        content = self._ask("POST", "/v2/repository/index")
        with _readable():
            return _best(
                ListedModel(item["name"], item.get("state", ""), item.get("reason", ""))
                for item in content
            )

    def contract(self, model: str) -> ModelContract:
        content = self._ask("GET", f"/v2/models/{quote(model, safe='')}/config")
        with _readable():
            return contract_from_json(content)

    def _ask(self, method: str, path: str) -> Any:
        kind = HTTPSConnection if self._address.is_secure else HTTPConnection
        connection = kind(self._address.host, self._address.port, timeout=self._timeout)
        try:
            connection.request(method, path, b"" if method == "POST" else None)
            response = connection.getresponse()
            body = response.read(MAX_BODY)
        except (OSError, HTTPException) as error:
            raise unreached(with_port(f"{type(error).__name__}: {error}")) from None
        finally:
            connection.close()
        with _readable():
            content = json.loads(body)
            if response.status != OK:
                raise classify(str(response.status), str(content["error"]))
        return content


def _best(models: Iterator[ListedModel]) -> list[ListedModel]:
    found: dict[str, ListedModel] = {}
    for model in models:
        if model.name not in found or model.is_ready:
            found[model.name] = model
    return sorted(found.values(), key=lambda model: model.name)


@contextmanager
def _readable() -> Iterator[None]:
    """An answer of another form is no Triton's."""
    try:
        yield
    except UNREADABLE as error:
        raise broken_contract(f"unreadable answer: {error!r}") from None
