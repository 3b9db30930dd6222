"""The keys of the settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.access.gate import Gate, open_gate
from app.access.keys import Limits
from app.errors import AuthenticationError
from app.settings import Settings
from tests.access.desk import own_records


def gate(**environment: str) -> Gate:
    found = open_gate(Settings.load(environment))
    assert found is not None
    return found


def test_without_keys_there_is_no_gate(caplog: pytest.LogCaptureFixture) -> None:
    assert open_gate(Settings.load({})) is None
    assert own_records(caplog) == []


def test_limits_without_keys_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert open_gate(Settings.load({"KEY_TOKENS_PER_MINUTE": "5"})) is None
    (record,) = own_records(caplog)
    assert "have no effect without API_KEYS or API_KEYS_FILE" in record.getMessage()


def test_keys_of_both_places_are_let_in(tmp_path: Path) -> None:
    """A key in both has the limits of its line."""
    file = tmp_path / "keys.txt"
    file.write_text("sk-file name=file\nsk-both name=both tokens_per_minute=9\n")
    found = gate(API_KEYS="sk-own,sk-both", API_KEYS_FILE=str(file), KEY_REQUESTS_PER_MINUTE="3")
    names = [found.identify(key).name for key in ("sk-own", "sk-file", "sk-both")]
    assert names == ["API_KEYS-1", "file", "both"]
    assert found.identify("sk-own").limits == Limits(3)
    assert found.identify("sk-both").limits == Limits(3, 9)


@pytest.mark.parametrize("presented", [None, "", "sk", "sk-own ", "\ud800", "\xff", "\0", "钥匙"])
def test_nothing_else_is(presented: str | None) -> None:
    with pytest.raises(AuthenticationError) as caught:
        gate(API_KEYS="sk-own").identify(presented)
    assert caught.value.status == 401
    assert not presented or presented not in caught.value.message


def test_settings_print_no_key() -> None:
    settings = Settings.load({"API_KEYS": "sk-own", "RATE_LIMIT_STORAGE": "redis://u:sk-p@h/0"})
    assert "sk-" not in repr(settings)
    assert "api_keys=" not in repr(settings)
