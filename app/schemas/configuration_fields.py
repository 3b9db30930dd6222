"""Fields of the configuration file that no request has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError

from app.schemas.fields import Integer, Number, StrictField, mismatch, within
from app.types import ENCODER_INPUTS

# More names and addresses than anyone lists by hand; a name may stand for several.
MAX_URLS = 64


class Urls(StrictField):
    """Addresses of Tritons, one or a list: host:port with or without a scheme."""

    schemes = ("http", "https", "grpc", "grpcs")

    def parse(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            return (self._address(value),)
        if not 0 < len(value) <= MAX_URLS:
            raise ValidationError(f"must hold 1 to {MAX_URLS} addresses, but holds {len(value)}")
        addresses = []
        for index, item in enumerate(value):
            with within(index):
                addresses.append(self._address(item))
            if addresses[-1] in addresses[:-1]:
                raise ValidationError({index: ["is in the list already"]})
        return tuple(addresses)

    def _address(self, value: Any) -> str:
        if not isinstance(value, str):
            raise mismatch('a string like "localhost:8001"', value)
        scheme, separator, address = value.rpartition("://")
        if separator and scheme not in self.schemes:
            raise mismatch("an address with one of the schemes " + ", ".join(self.schemes), value)
        return self._with_port(value, address.rstrip("/"))

    @staticmethod
    def _with_port(value: str, address: str) -> str:
        host, _, port = address.rpartition(":")
        is_number = port.isascii() and port.isdigit()
        if not host or not is_number or not 0 < int(port) < 65536:
            raise mismatch('an address with a port, like "localhost:8001"', value)
        return value.rstrip("/")


class ExtraInputs(StrictField):
    """Tensors that every request carries: a name and a number, boolean or list of numbers."""

    number = Number(minimum=-(2**63), maximum=2**64 - 1)

    def parse(self, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise mismatch("an object of tensor names and values", value)
        for name, item in value.items():
            numbers = item if isinstance(item, list) else [item]
            if not numbers:
                raise ValidationError({name: ["must not be empty"]})
            for number in numbers:
                if not isinstance(number, bool):
                    self._check(name, number)
        return value

    def _check(self, name: str, number: Any) -> None:
        with within(name):
            self.number.parse(number)


class MaskPositions(StrictField):
    """A number or a list of them; true stands for -1, the position of a [gMASK] prompt."""

    def parse(self, value: Any) -> tuple[int, ...] | None:
        if isinstance(value, bool):
            return (-1,) if value else None
        position = Integer(minimum=-1, maximum=2**31 - 1)
        return tuple(map(position.parse, value if isinstance(value, list) else [value]))


class FimTemplate(StrictField):
    """A prompt to fill in the middle: text with {prefix} and {suffix}, each once."""

    def parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise mismatch("a string", value)
        if any(value.count(name) != 1 for name in ("{prefix}", "{suffix}")):
            raise mismatch("a text that holds {prefix} and {suffix} once each", value)
        return value


class InputConfig(StrictField):
    """Which tensor takes what: {"attention_mask": "input_mask"}, or the tensors' names.

    A list holds names, or objects with a `name`. Gives a mapping of role to tensor name.
    """

    def parse(self, value: Any) -> Mapping[str, str]:
        if isinstance(value, dict) and "name" not in value:
            return {_role(role): _tensor(name) for role, name in value.items()}
        entries = value if isinstance(value, list) else [value]
        names = [entry.get("name") if isinstance(entry, dict) else entry for entry in entries]
        return {_role(name): _tensor(name) for name in names}


def _role(name: Any) -> str:
    role = ENCODER_INPUTS.get(name) if isinstance(name, str) else None
    if role is None:
        raise mismatch("one of " + ", ".join(ENCODER_INPUTS), name)
    return role


def _tensor(name: Any) -> str:
    if not isinstance(name, str) or not name:
        raise mismatch("the name of one of the model's inputs", name)
    return name
