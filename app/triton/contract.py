"""What a model says of itself: its inputs, outputs and policies, read from Triton once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A declared tensor: Triton's datatype, and its dims without the batch, -1 for any."""

    datatype: str
    dims: tuple[int, ...]
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class ModelContract:
    """A model's configuration in Triton, as far as a client needs it.

    One that `is_decoupled` may answer a request with several messages. `parameters` are the
    backend's own, texts by their names.
    """

    backend: str
    max_batch_size: int
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    is_decoupled: bool = False
    parameters: Mapping[str, str] = field(default_factory=dict)


def contract_from_config(config: Any) -> ModelContract:
    """From Triton's `ModelConfig` message."""
    return ModelContract(
        backend=config.backend or config.platform,
        max_batch_size=config.max_batch_size,
        inputs={
            item.name: TensorSpec(_datatype(item), tuple(item.dims), item.optional)
            for item in config.input
        },
        outputs={
            item.name: TensorSpec(_datatype(item), tuple(item.dims)) for item in config.output
        },
        is_decoupled=config.model_transaction_policy.decoupled,
        parameters={name: item.string_value for name, item in config.parameters.items()},
    )


def contract_from_json(config: Mapping[str, Any]) -> ModelContract:
    """From the JSON form of the same message, in which defaults are left out."""
    return ModelContract(
        backend=config.get("backend") or config.get("platform", ""),
        max_batch_size=int(config.get("max_batch_size", 0)),
        inputs={item["name"]: _json_tensor(item) for item in config.get("input", [])},
        outputs={item["name"]: _json_tensor(item) for item in config.get("output", [])},
        is_decoupled=bool(config.get("model_transaction_policy", {}).get("decoupled", False)),
        parameters={
            name: item.get("string_value", "")
            for name, item in config.get("parameters", {}).items()
        },
    )


def _datatype(item: Any) -> str:
    field = item.DESCRIPTOR.fields_by_name["data_type"]
    return _short(field.enum_type.values_by_number[item.data_type].name)


def _json_tensor(item: Mapping[str, Any]) -> TensorSpec:
    dims = tuple(int(dim) for dim in item.get("dims", []))
    return TensorSpec(_short(item["data_type"]), dims, bool(item.get("optional", False)))


def _short(name: str) -> str:
    # The configuration says TYPE_STRING where the inference protocol says BYTES.
    return {"TYPE_STRING": "BYTES"}.get(name, name.removeprefix("TYPE_"))


class KeptContract:
    """Reads a model's contract when it is first needed, and again after `forget`.

    Whoever asks the same Triton while that is being asked shares the reading and its outcome, so
    that one that hangs is asked once, not by every waiting request in turn. Nobody else shares it:
    what one Triton refuses, another may well answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: ModelContract | None = None
        # Those under way, by whom they ask.
        self._readings: dict[object, Future[ModelContract]] = {}

    def get(self, read: Callable[[], ModelContract], source: object = None) -> ModelContract:
        """The contract; one that is not known is what `read` gets from the Triton `source`.

        None stands for any Triton. Raises what the reading raises.
        """
        with self._lock:
            if self._known is not None:
                return self._known
            is_mine = source not in self._readings
            reading = self._readings.setdefault(source, Future())
        if is_mine:
            self._fill(reading, read, source)
        return reading.result()

    def forget(self) -> None:
        """Read it again next time: Triton was restarted, or refused what it used to take."""
        with self._lock:
            self._known = None

    def replace(self, contract: ModelContract) -> None:
        """Keep this one from now on."""
        with self._lock:
            self._known = contract

    def _fill(
        self, reading: Future[ModelContract], read: Callable[[], ModelContract], source: object
    ) -> None:
        try:
            contract = read()
            with self._lock:
                # Another that has come meanwhile is not older.
                self._known = self._known or contract
            reading.set_result(contract)
        except BaseException as error:  # those who share the reading must not wait for ever
            reading.set_exception(error)
        finally:
            with self._lock:
                self._readings.pop(source, None)
