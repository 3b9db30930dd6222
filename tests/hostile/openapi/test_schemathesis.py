"""schemathesis makes requests of the document, good and bad ones: case D1.

Left out are its checks that a good request succeeds, because rules between several fields are not
in the document, and those of resources that are made and deleted, which there are none of.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from app.schemas.openapi.operations import OPERATIONS
from tests.faults.record import Case
from tests.hostile.openapi.conftest import KEY
from tests.live.http import Answer, Server

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
NUM_EXAMPLES, NUM_OF_WHOLE = 4, 500
NUM_CASES = re.compile(r"(\d+) generated")
OPEN = {operation.path for operation in OPERATIONS if operation.is_open}


def run(server: Server, folder: Path, *options: str) -> int:
    """How many requests schemathesis has made without a complaint."""
    command = ["-m", "schemathesis.cli", "--no-color", "run", f"{server.url}/openapi.json"]
    fixed = ["--seed", "1", "--warnings", "off", "--generation-database", "none"]
    # NUL is refused wherever it stands, and the document says so in words.
    fixed += ["--generation-allow-x00", "false", "--workers", "2", "--continue-on-failure"]
    # A busy machine is no failure.
    fixed += ["--request-timeout", "120", "--suppress-health-check", "too_slow"]
    done = subprocess.run(
        [sys.executable, *command, *fixed, *options],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = NUM_CASES.search(done.stdout)
    assert found is not None
    return int(found[1])


def with_key(server: Server, folder: Path, phases: str, num_examples: int) -> int:
    checks = ",".join([*CHECKS, "ignored_auth"])
    key = f"Authorization: Bearer {KEY}"
    options = ["--phases", phases, "-n", str(num_examples), "-c", checks, "-H", key]
    return run(server, folder, *options)


def without_key(server: Server, folder: Path, num_examples: int) -> int:
    options = ["--phases", "examples,fuzzing", "-n", str(num_examples), "-c", ",".join(CHECKS[:5])]
    return run(server, folder, *options, "--generation-with-security-parameters", "false")


def test_with_a_key(server: Server, tmp_path: Path) -> None:
    num_cases = with_key(server, tmp_path, "examples,fuzzing", NUM_EXAMPLES)
    assert num_cases > len(OPERATIONS) * NUM_EXAMPLES / 2


def test_without_a_key(server: Server) -> None:
    document = server.get("/openapi.json").json()
    for operation in OPERATIONS:
        path = operation.path.format(id="demo")
        answer = server.post(path, {}) if operation.bodies else server.get(path)
        assert (answer.status == 401) == (operation.path not in OPEN), path
        (told,) = document["paths"][operation.path].values()
        check(document, told["responses"][str(answer.status)], answer)


def check(document: dict[str, Any], told: dict[str, Any], answer: Answer) -> None:
    """The answer is what the document says of its status."""
    if "$ref" in told:
        told = document["components"]["responses"][told["$ref"].rpartition("/")[2]]
    kind = answer.headers["Content-Type"].partition(";")[0]
    assert kind in told["content"]
    if kind == "application/json":
        schema = {**told["content"][kind]["schema"], "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json())


@pytest.mark.whole
@pytest.mark.timeout(3600)
@pytest.mark.case("D1", "schemathesis, from the OpenAPI document")
def test_the_whole(server: Server, tmp_path: Path, case: Case) -> None:
    before = server.log_text().count("Traceback")
    num_cases = with_key(server, tmp_path, "examples,coverage,fuzzing", NUM_OF_WHOLE)
    num_cases += without_key(server, tmp_path, NUM_OF_WHOLE // 10)
    case.injects("requests that the document allows, and requests that it forbids", num_cases)
    case.exactly("complaints", 0, 0)
    case.exactly("tracebacks", server.log_text().count("Traceback") - before, 0)
