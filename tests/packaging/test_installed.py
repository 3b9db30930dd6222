"""The installed package, in an environment and a folder that know nothing of the checkout."""

from __future__ import annotations

import json
from pathlib import Path

from app.version import VERSION
from tests.packaging.installation import Installation


def demo_chat(installation: Installation) -> dict[str, str]:
    """An entry for the language model that the package brings along."""
    folder = installation.site_packages / "app/bundled/demo/models/demo-chat"
    # A template by its bare name is one of the package's own.
    return {
        "name": "mine",
        "url": "localhost:1",
        "path": str(folder),
        "triton_model": "demo-chat",
        "chat_template": "chatml.jinja",
    }


def test_it_is_the_installed_one(installation: Installation) -> None:
    found = installation.run("python", "-P", "-c", "import app; print(app.__file__)")
    assert Path(found.stdout.strip()) == installation.site_packages / "app" / "__init__.py"


def test_its_version(installation: Installation) -> None:
    assert installation.run("openai-api", "--version").stdout == f"openai-api {VERSION}\n"


def test_check_config(installation: Installation, tmp_path: Path) -> None:
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"llm": [demo_chat(installation)]}))
    found = installation.run("openai-api", "check-config", str(path))
    assert (found.returncode, found.stderr) == (0, "")
    assert "mine" in found.stdout


def test_serve_without_a_file_says_what_it_would_need(installation: Installation) -> None:
    found = installation.run("openai-api", "serve")
    assert found.returncode == 2
    assert "openai-api demo" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_type_checker_sees_its_types(installation: Installation, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("from app import create_app\nreveal_type(create_app(5))\n")
    options = ["--strict", "--cache-dir", str(tmp_path), "--config-file", ""]
    found = installation.run("python", "-m", "mypy", *options, str(program))
    assert 'Revealed type is "flask.app.Flask"' in found.stdout
    assert 'incompatible type "int"; expected "Settings | None"' in found.stdout
    assert found.stdout.count("error:") == 1
