"""Why a model is not ready: the client is told in our words, the log in all there are."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.application import load_catalogue
from app.errors import ApiError, BackendTimeout, BackendUnavailable
from app.registry.files import ConfigurationFiles
from app.services import readiness as module
from app.services.readiness import MISFIT, MISFIT_INTERVAL, REMARK_INTERVAL, UNREACHED, readiness
from app.settings import Settings
from app.triton.address import Address
from app.triton.replicas import ReplicaState
from tests.applications import EMBEDDING, LLM, standard_configuration, write_configuration
from tests.scripted_triton import ENCODER_CONFIG, Closed, Reply, ScriptedHttpTriton, ScriptedTriton


def close() -> Reply:
    raise Closed


def test_the_log_tells_what_the_report_does_not(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    caplog: pytest.LogCaptureFixture,
) -> None:
    http_triton.ready = close
    content = standard_configuration(triton.address, http_triton.address)
    path = write_configuration(tmp_path, content)
    report = readiness(
        load_catalogue(Settings.load({"CONFIG_FILE": str(path)}), ConfigurationFiles())
    )
    assert report["models"][LLM] == {"ready": True, "tritons": {"ready": 1, "total": 1}}
    cause = report["models"][EMBEDDING]["cause"]
    told = [record.getMessage() for record in caplog.records if EMBEDDING in record.getMessage()]
    assert len(told) == 1
    assert "HTTPConnectionClosed" in told[0]
    assert "HTTPConnectionClosed" not in cause


def report_of(folder: Path, **entry: object) -> dict[str, object]:
    """What /readyz says of a language model with this entry."""
    content = standard_configuration("127.0.0.1:1", "127.0.0.1:1")
    content["llm"][0] |= entry
    content = {"llm": content["llm"], "model_infos": content["model_infos"]}
    path = write_configuration(folder, content)
    catalogue = load_catalogue(Settings.load({"CONFIG_FILE": str(path)}), ConfigurationFiles())
    found: dict[str, object] = readiness(catalogue)["models"][LLM]
    return found


def test_a_model_whose_tensors_are_others_is_not_ready(
    tmp_path: Path, triton: ScriptedTriton, caplog: pytest.LogCaptureFixture
) -> None:
    found = report_of(tmp_path, url=triton.address, backend="vllm")
    assert found["ready"] is False
    assert found["cause"] == MISFIT
    (told,) = [record.getMessage() for record in caplog.records]
    assert 'set "backend": "fastertransformer"' in told


def test_an_encoder_whose_tensors_are_others_is_not_ready_until_they_fit(
    tmp_path: Path,
    triton: ScriptedTriton,
    http_triton: ScriptedHttpTriton,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MISFIT_INTERVAL", 0.0)
    content = standard_configuration(triton.address, http_triton.address)
    content["embedding"][0]["output_config"] = {"name": "absent"}
    path = write_configuration(tmp_path, content)
    catalogue = load_catalogue(Settings.load({"CONFIG_FILE": str(path)}), ConfigurationFiles())
    report = readiness(catalogue)["models"][EMBEDDING]
    assert (report["ready"], report["cause"]) == (False, MISFIT)
    output = {"name": "absent", "data_type": "TYPE_FP32", "dims": ["3"]}
    http_triton.config = {**ENCODER_CONFIG, "output": [output]}
    assert readiness(catalogue)["models"][EMBEDDING]["ready"] is True


def test_a_misfit_is_not_read_again_for_each_question(
    tmp_path: Path, triton: ScriptedTriton, http_triton: ScriptedHttpTriton
) -> None:
    content = standard_configuration(triton.address, http_triton.address)
    content["embedding"][0]["output_config"] = {"name": "absent"}
    path = write_configuration(tmp_path, content)
    catalogue = load_catalogue(Settings.load({"CONFIG_FILE": str(path)}), ConfigurationFiles())
    reads = []
    model = catalogue.model(EMBEDDING)
    check = model.backend.check_contract
    model.backend.check_contract = lambda: reads.append(1) or check()
    begun = time.monotonic()
    for _ in range(20):
        assert readiness(catalogue)["models"][EMBEDDING]["cause"] == MISFIT
    assert 1 <= len(reads) <= 1 + (time.monotonic() - begun) / MISFIT_INTERVAL


def test_a_model_that_triton_does_not_have_is_named_in_the_log(
    tmp_path: Path, triton: ScriptedTriton, caplog: pytest.LogCaptureFixture
) -> None:
    triton.is_ready = False
    found = report_of(tmp_path, url=triton.address, triton_model="elsewhere")
    assert found["cause"] == "the model is not ready in its Triton"
    (told,) = [record.getMessage() for record in caplog.records]
    assert "no model 'elsewhere' that is ready" in told


def test_an_address_where_nobody_listens(tmp_path: Path) -> None:
    assert report_of(tmp_path)["cause"] == UNREACHED


class Tritons:
    """What two Tritons of a model say, None for nothing wrong."""

    def __init__(self) -> None:
        self.errors: list[ApiError | None] = [None, None]

    def states(self) -> list[ReplicaState]:
        places = (Address.parse(f"127.0.0.1:{port}") for port in (1, 2))
        return [ReplicaState(*each) for each in zip(places, self.errors, strict=True)]


def test_what_stays_as_it_is_is_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    tritons = Tritons()
    model = SimpleNamespace(
        spec=SimpleNamespace(name=LLM),
        backend=SimpleNamespace(replicas=tritons, check_contract=lambda: None),
    )

    def told(*errors: ApiError | None) -> int:
        """How much, when the Tritons are asked ten times within ten seconds."""
        tritons.errors = list(errors)
        caplog.clear()
        for _ in range(10):
            now[0] += 1
            readiness([model])  # type: ignore[arg-type]  # as much of a catalogue as is looked at
        return len(caplog.records)

    gone, late = BackendUnavailable("gone", detail="port"), BackendTimeout("late", detail="port")
    assert told(None, None) == 0
    assert told(gone, None) == 1
    assert told(gone, gone) == 1
    assert told(gone, late) == 1
    assert told(gone, None) == 0
    assert told(gone, late) == 1
    now[0] += REMARK_INTERVAL
    assert told(gone, late) == 2
    assert told(gone, late) == 0
