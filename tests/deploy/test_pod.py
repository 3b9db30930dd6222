"""The gateway with the pod's variables and the example's configuration, treated as by a kubelet."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.environment import DEMO
from demo.ports import free_ports
from demo.triton import TritonServer
from tests.deploy.manifests import EXAMPLE, container, settings
from tests.deploy.manifests import GATEWAY as FOLDER
from tests.deploy.running import PROGRAMS, Service, service
from tests.docs.commands import ENVIRONMENT
from tests.live.entries import PATIENT
from tests.live.servers import write_configuration
from tests.live.waiting import wait_until

KEY = "sk-of-the-test"
STORY = {"model": "demo-chat", "prompt": "Once upon a time", "max_tokens": 400, "ignore_eos": True}
# Of the demo's models, which stand in for those of the example.
INSTEAD = {"llm": "models/demo-chat", "embedding": "models/all-minilm-l6-v2"}


def example(models: Path) -> dict[str, Any]:
    """The example's configuration, with folders of these names below `models`."""
    content: dict[str, Any] = json.loads((EXAMPLE / "model_config.json").read_text())
    for section, folder in INSTEAD.items():
        for entry in content[section]:
            assert entry["path"].startswith("/models/")
            entry["path"] = str(models / Path(entry["path"]).name)
            shutil.copytree(
                DEMO / folder, entry["path"], ignore=shutil.ignore_patterns("*.safetensors")
            )
    return content


def test_check_config_accepts_the_example(demo_environment: None, tmp_path: Path) -> None:
    path = write_configuration(tmp_path / "model_config.json", example(tmp_path / "models"))
    done = subprocess.run(
        [sys.executable, "-m", "app", "check-config", str(path)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The model that stands in is smaller.
    warnings = [line for line in done.stdout.splitlines() if "warning" in line]
    assert [line for line in warnings if "more than the folder's" not in line] == []


@pytest.fixture(scope="module")
def gateway_pod(
    tritonserver: TritonServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("pod")
    port, probes = free_ports(2)
    entry = {"name": "demo-chat", "url": tritonserver.grpc_url, "timeouts": PATIENT}
    llm = [{**entry, "path": str(DEMO / "models" / "demo-chat")}]
    (folder / "keys.txt").write_text(f"{KEY} name=test\n")
    given = {
        "CONFIG_FILE": str(write_configuration(folder / "model_config.json", {"llm": llm})),
        "API_KEYS_FILE": str(folder / "keys.txt"),
        "METRICS_BIND": f"127.0.0.1:{probes}",
        # What is asked meanwhile comes in time, however busy the machine.
        "DRAIN_DELAY": "600",
    }
    assert given.keys() <= settings().keys()
    variables = {**settings(), **given, "PORT": str(port)}
    with service([str(PROGRAMS / "openai-api"), "serve"], variables, folder) as found:
        wait_until(found.is_ready, "the model")
        yield found


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_probes_need_no_key(gateway_pod: Service, probe: str) -> None:
    asked = container(FOLDER)[probe]["httpGet"]
    assert asked["port"] == "metrics"
    assert gateway_pod.probes.get(asked["path"]).status == 200


def test_models_and_metrics_are_where_the_pod_says(gateway_pod: Service) -> None:
    assert gateway_pod.api.get("/v1/models").status == 401
    assert gateway_pod.api.request("GET", "/metrics").status != 200
    assert "openai_api_build_info" in gateway_pod.probes.get("/metrics").body.decode()
    answer = gateway_pod.api.post("/v1/completions", STORY, Authorization=f"Bearer {KEY}")
    assert answer.status == 200


def test_sigterm_serves_on_and_says_so(gateway_pod: Service) -> None:
    """The last test: what Kubernetes does to a pod that goes."""
    gateway_pod.process.terminate()
    wait_until(lambda: not gateway_pod.is_ready(), "the word that it drains")
    # The name servers and proxies of the cluster still send requests.
    answer = gateway_pod.api.post("/v1/completions", STORY, Authorization=f"Bearer {KEY}")
    assert answer.status == 200
    # A second one ends it at once.
    gateway_pod.process.terminate()
    assert gateway_pod.process.wait(60) == 0
