"""Names of Tritons: looked up, looked up again, and one connection for each address."""

from __future__ import annotations

import gc
import socket
import threading
from typing import Any

import pytest

from app.triton.address import Address
from app.triton.replicas import sites as module
from app.triton.replicas.sites import Lookup, Sites, addresses_of, is_numeric
from tests.live.waiting import wait_until


class Names:
    """A name server of a few lines, in place of the system's."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.num_asked = 0

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.num_asked += 1
        if host not in self.known:
            raise socket.gaierror(-2, "Name or service not known")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in self.known[host]
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    names = Names()
    monkeypatch.setattr(module.socket, "getaddrinfo", names.getaddrinfo)
    return names


def where(lookup: Lookup) -> list[str]:
    return [address.host_and_port for address in lookup.addresses(5)]


def test_a_name_with_several_addresses_is_several_tritons(names: Names) -> None:
    names.known["tritons"] = ["10.0.0.3", "10.0.0.1", "10.0.0.2"]
    found = addresses_of(Address.parse("grpcs://tritons:8001"))
    assert [each.host_and_port for each in found] == [
        "10.0.0.1:8001",
        "10.0.0.2:8001",
        "10.0.0.3:8001",
    ]
    assert {(each.authority, each.host, each.is_secure) for each in found} == {
        ("tritons:8001", "tritons", True)
    }


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1", "127.0.0.1"], ["10.0.0.1"] * 3])
def test_a_host_with_an_address_of_each_kind_is_one(names: Names, addresses: list[str]) -> None:
    names.known["host"] = addresses
    name = Address.parse("host:8001")
    assert addresses_of(name) == [name]


def test_addresses_of_version_six_have_brackets(names: Names) -> None:
    names.known["tritons"] = ["fd00::1", "fd00::2", "10.0.0.1"]
    found = addresses_of(Address.parse("tritons:8001"))
    assert [each.host_and_port for each in found] == ["[fd00::1]:8001", "[fd00::2]:8001"]


def test_numeric_addresses_are_not_looked_up(names: Names) -> None:
    lookup = Lookup(["10.0.0.1:8001", "[::1]:8001"])
    assert where(lookup) == ["10.0.0.1:8001", "[::1]:8001"]
    assert names.num_asked == 0


def test_a_list_may_hold_names_and_addresses(names: Names) -> None:
    names.known.update({"a": ["10.0.0.1", "10.0.0.2"], "b": ["10.0.0.2"]})
    assert where(Lookup(["a:1", "b:1", "10.0.0.9:1"])) == [
        "10.0.0.1:1",
        "10.0.0.2:1",
        "b:1",
        "10.0.0.9:1",
    ]


def test_a_name_is_looked_up_again(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    names.known["tritons"] = ["10.0.0.1", "10.0.0.2"]
    lookup = Lookup(["tritons:1"])
    assert where(lookup) == ["10.0.0.1:1", "10.0.0.2:1"]
    names.known["tritons"] = ["10.0.0.2", "10.0.0.3"]
    for _ in range(20):
        assert where(lookup) == ["10.0.0.1:1", "10.0.0.2:1"]
    assert names.num_asked == 1
    monkeypatch.setattr(module, "LOOKUP_INTERVAL", 0.01)
    lookup._due_at = 0
    wait_until(lambda: where(lookup) == ["10.0.0.2:1", "10.0.0.3:1"], "the new address")


def test_a_name_that_is_lost_keeps_its_addresses(
    names: Names, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LOOKUP_INTERVAL", 0.01)
    names.known["tritons"] = ["10.0.0.1", "10.0.0.2"]
    lookup = Lookup(["tritons:1"])
    assert where(lookup) == ["10.0.0.1:1", "10.0.0.2:1"]
    del names.known["tritons"]
    asked = names.num_asked
    wait_until(lambda: where(lookup) and names.num_asked > asked + 2, "look-ups")
    assert where(lookup) == ["10.0.0.1:1", "10.0.0.2:1"]
    assert "cannot be looked up" in caplog.text


def test_an_unknown_name_stands_for_itself(names: Names) -> None:
    assert where(Lookup(["nowhere:1"])) == ["nowhere:1"]


def test_a_name_stands_for_itself_where_no_thread_can_be_had(
    names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    names.known["tritons"] = ["10.0.0.1", "10.0.0.2"]
    lookup = Lookup(["tritons:1"])
    monkeypatch.setattr(module, "LOOKUP_INTERVAL", 0.01)
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", start)
        assert where(lookup) == ["tritons:1"]
    wait_until(lambda: where(lookup) == ["10.0.0.1:1", "10.0.0.2:1"], "the next look-up")


class Connection:
    def __init__(self, address: Address) -> None:
        self.address = address


def test_an_address_has_one_connection_while_it_is_used() -> None:
    sites = Sites(Connection)
    address = Address.parse("10.0.0.1:1")
    first = sites.connection(address)
    assert sites.connection(Address.parse("grpc://10.0.0.1:1")) is first
    assert sites.connection(Address.parse("grpcs://10.0.0.1:1")) is not first
    number = id(first)
    del first
    gc.collect()
    assert len(sites._connections) == 0
    assert number


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", False), ("10.0.0", False), ("", False)],
)
def test_what_is_numeric(host: str, expected: bool) -> None:
    assert is_numeric(host) is expected
