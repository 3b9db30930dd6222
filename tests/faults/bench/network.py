"""A network of its own for the gateway, so that a link can be cut as a dead host cuts it.

    with Namespace() as network:
        Gateway(..., host=network.gateway_host, prefix=network.prefix)
        FaultProxy(..., listen=network.triton_host)     # the gateway's way to Triton
        network.lose_triton(); ...; network.find_triton()

Two veth pairs join it to the host: one for the clients, one for Triton. A blackhole route on the
host lets no packet back to the gateway over the second one, and tells neither side. It needs root
and iproute2.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack

CLIENTS, TRITON = "c", "t"


class NoNetworks(Exception):
    """The machine allows no network namespaces; the words say why."""


class Namespace:
    """Exists as long as it is entered."""

    def __init__(self) -> None:
        number = os.getpid() % 65536
        self._name = f"faults{number}"
        # 10.64.0.0/10, which the machine should not use otherwise: four addresses for each pair.
        base = (number % 16384) * 8
        self._subnets = {
            CLIENTS: _addresses(10 << 24 | 64 << 16 | base),
            TRITON: _addresses(10 << 24 | 64 << 16 | base + 4),
        }
        self._stack = ExitStack()

    @property
    def gateway_host(self) -> str:
        """Where clients reach the gateway."""
        return self._subnets[CLIENTS][1]

    @property
    def triton_host(self) -> str:
        """The host's address at which the gateway looks for Triton."""
        return self._subnets[TRITON][0]

    @property
    def prefix(self) -> Sequence[str]:
        """What goes before a command that is to run inside; it keeps the process id."""
        return ("ip", "netns", "exec", self._name)

    def __enter__(self) -> Namespace:
        try:
            self._set_up()
        except NoNetworks:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def lose_triton(self) -> None:
        """No packet gets from Triton to the gateway from now on."""
        _ip("route", "add", "blackhole", f"{self._subnets[TRITON][1]}/32")

    def find_triton(self) -> None:
        """All is well again."""
        _ip("route", "del", "blackhole", f"{self._subnets[TRITON][1]}/32")

    def _set_up(self) -> None:
        _ip("netns", "add", self._name)
        self._stack.callback(_ip, "netns", "del", self._name)
        _ip("-n", self._name, "link", "set", "lo", "up")
        for side, (outside, inside) in self._subnets.items():
            self._join(f"f{side}{self._name[6:]}", outside, inside)

    def _join(self, link: str, outside: str, inside: str) -> None:
        """A veth pair, which goes away with the namespace."""
        _ip("link", "add", link, "type", "veth", "peer", "name", f"{link}p")
        _ip("link", "set", f"{link}p", "netns", self._name)
        _ip("address", "add", f"{outside}/30", "dev", link)
        _ip("link", "set", link, "up")
        _ip("-n", self._name, "address", "add", f"{inside}/30", "dev", f"{link}p")
        _ip("-n", self._name, "link", "set", f"{link}p", "up")


def _addresses(subnet: int) -> tuple[str, str]:
    """The two of a /30."""
    first, second = (".".join(map(str, (subnet + n).to_bytes(4, "big"))) for n in (1, 2))
    return first, second


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=10)
    except OSError as error:
        raise NoNetworks(f"ip: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        raise NoNetworks(f"ip {' '.join(arguments)}: {error.stderr.strip()}") from None
