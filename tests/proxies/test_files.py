"""The files of deploy/ say what the server's own defaults ask for."""

from __future__ import annotations

import json
import re

import pytest

from app.errors import ERROR_TYPES
from app.registry import Timeouts
from app.settings import TABLE
from tests.proxies.programs import DEPLOY, PROJECT

NGINX = (DEPLOY / "nginx.conf").read_text()
HAPROXY = (DEPLOY / "haproxy.cfg").read_text()
# A status with the body that the proxy itself answers.
BODY = re.compile(r"(?:return|http-error status) (\d{3}) .*?'(\{.*\})'")
BODIES = [*BODY.findall(NGINX), *BODY.findall(HAPROXY)]


def default(name: str) -> object:
    (found,) = (row.default for row in TABLE if row.name == name)
    return found


def number(pattern: str, text: str) -> int:
    found = re.search(rf"^ *{pattern};?$", text, re.MULTILINE)
    assert found, pattern
    return int(found[1])


def test_bodies_may_be_as_large_as_the_server_takes() -> None:
    assert number(r"client_max_body_size (\d+)m", NGINX) * 2**20 == default("max_body_bytes")


def test_idle_connections_are_closed_before_the_server_does() -> None:
    kept = number(r"keepalive = (\d+)", (PROJECT / "gunicorn.conf.py").read_text())
    assert number(r"keepalive_timeout (\d+)s", NGINX) < kept
    assert number(r".*pool-purge-delay (\d+)s", HAPROXY) < kept


def test_answers_may_take_as_long_as_models_may() -> None:
    total = Timeouts().total
    assert number(r"proxy_read_timeout (\d+)s", NGINX) > total
    assert number(r"timeout server (\d+)s", HAPROXY) > total
    assert number(r"timeout client (\d+)s", HAPROXY) > total


@pytest.mark.parametrize(("status", "body"), BODIES)
def test_the_proxies_own_errors_are_openais(status: str, body: str) -> None:
    error = json.loads(body)["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["type"] == ERROR_TYPES[int(status)]


@pytest.mark.parametrize("text", [NGINX, HAPROXY], ids=["nginx", "haproxy"])
def test_clients_are_told_whether_to_try_again(text: str) -> None:
    assert {"503", "504"} <= {status for status, _ in BODY.findall(text)}
    assert len(re.findall(r"Retry-After 1", text)) == 1
    assert len(re.findall(r"x-should-retry false", text)) == 1
