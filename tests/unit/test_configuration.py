"""The settings: documented, and read from the environment as documented."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.config import Settings

PAGE = Path(__file__).parent.parent.parent / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(STEPSTREAM_[A-Z_]+)`[^|]*\| (.*?) \| (.*?) \|$", re.MULTILINE)


def default_of(name: str) -> str:
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if default in (None, (), {}):
        return "unset"
    return f"`{default}`"


def test_every_setting_is_documented_with_its_default() -> None:
    """docs/configuration.md has one row per field, with the default and the description of the code."""
    rows = {name: (default, text) for name, default, text in ROW.findall(PAGE.read_text())}
    expected = {
        f"STEPSTREAM_{name.upper()}": (default_of(name), field.description)
        for name, field in Settings.model_fields.items()
    }

    assert rows == expected


def test_lists_and_folders_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules and collections are written as people write them in a shell."""
    monkeypatch.setenv("STEPSTREAM_AGENT_MODULES", "one, two.three ,")
    monkeypatch.setenv("STEPSTREAM_COLLECTIONS", "docs=/srv/docs, notes=notes")
    monkeypatch.setenv("REDIS_URL", "redis://example:6379/3")

    settings = Settings()

    assert settings.agent_modules == ("one", "two.three")
    assert settings.collections == {"docs": Path("/srv/docs"), "notes": Path("notes")}
    assert settings.redis_url == "redis://example:6379/3"


@pytest.mark.parametrize(
    ("name", "value"), [("COLLECTIONS", "docs"), ("NAMESPACE", "a{b}"), ("API_PORT", "99999"), ("LEASE_MS", "1")]
)
def test_a_setting_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot work is an error at start-up, not a surprise later."""
    monkeypatch.setenv(f"STEPSTREAM_{name}", value)

    with pytest.raises(ValidationError):
        Settings()
