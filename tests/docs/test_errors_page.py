"""docs/errors.md against the error classes, docs/api.md, the proxies' files and the exit codes."""

from __future__ import annotations

import re

from app import check_config, errors
from app.lifecycle import master
from app.terminal import failures
from tests.docs.pages import PROJECT, code_spans, rows
from tests.docs.test_api_page import descendants

PAGE = PROJECT / "docs" / "errors.md"
ALL = rows(PAGE, "All of them", "status")
PROXIES = [PROJECT / "deploy" / name for name in ("nginx.conf", "haproxy.cfg")]
PROXY_CODE = re.compile(r"\b(\d{3}) [^{\n]*\{\"error\":[^}]*\"code\":\"(\w+)\"")


def kinds() -> set[tuple[int, str, str | None]]:
    """Status, type and code of every error that there is."""
    found = [kind("") for kind in descendants(errors.ApiError) if kind.__module__[:4] == "app."]
    return {(error.status, error.type, error.code) for error in found}


def told(table: list[dict[str, str]]) -> list[tuple[int, str, str | None]]:
    return [
        (int(row["status"]), *code_spans(row["type"]), *(code_spans(row["code"]) or [None]))
        for row in table
    ]


def test_every_error_is_there_once() -> None:
    assert sorted(told(ALL), key=str) == sorted(kinds(), key=str)
    assert all(row["meaning"] and row["what to do"] for row in ALL)


def test_the_page_of_the_api_has_the_same() -> None:
    assert set(told(rows(PROJECT / "docs" / "api.md", "Errors", "status"))) == set(told(ALL))


def test_what_may_be_tried_again_says_so() -> None:
    """But for a model that Triton does not have, where waiting alone does not help."""
    hopeful = {
        kind.code
        for kind in descendants(errors.ApiError)
        if kind.retry_after is not None and kind is not errors.BackendModelMissing
    }
    assert {code for row, (_, _, code) in zip(ALL, told(ALL), strict=True) if again(row)} == hopeful


def again(row: dict[str, str]) -> bool:
    return "Retry-After" in row["what to do"]


def test_the_codes_of_proxies_are_those_of_their_files() -> None:
    there = {pair for path in PROXIES for pair in PROXY_CODE.findall(path.read_text())}
    shown = {
        (row["status"], *code_spans(row["code"])) for row in rows(PAGE, "From a proxy", "status")
    }
    assert shown == {(status, code) for status, code in there if code != "null"}


def test_exit_codes() -> None:
    shown = [int(row["code"]) for row in rows(PAGE, "Exit codes", "command")]
    assert shown == [
        failures.EXIT_CONFIGURATION,
        check_config.EXIT_NOT_READY,
        master.EXIT_APP_LOAD,
    ]
