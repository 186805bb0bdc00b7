"""The settings: documented, and read from the environment as documented."""

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.cli.main import Stepstream
from app.config import OTHER_VARIABLES, BadSettings, Settings, read_settings, unknown_variables

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "configuration.md").read_text()
UNITS = {
    "_ms": "ms",
    "_s": "s",
    "_s_max": "s",
    "_bytes_max": "bytes",
    "_chars_max": "characters",
    "_per_min": "per minute",
}


def row_of(name: str, field: FieldInfo) -> str:
    """The line of docs/configuration.md about a setting, all of it from the code."""
    unit = next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")
    cells = [f"`STEPSTREAM_{name.upper()}`", unit, default_of(field), allowed_in(field), field.description]
    return f"| {' | '.join(map(str, cells))} |"


def default_of(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if isinstance(default, tuple) and default:
        default = ",".join(default)
    return "unset" if default in (None, (), {}) else f"`{str(default).lower()}`"


def allowed_in(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if field.annotation is bool:
        return "`true`, `false`"
    found = {kind: value for bound in field.metadata for kind, value in vars_of(bound).items()}
    if "pattern" in found:
        return f"`{found['pattern']}`"
    low = f"{found['ge']}" if "ge" in found else f"above {found['gt']}" if "gt" in found else ""
    return f"{low} to {found['le']}" if "le" in found else f"{low} or more" if "ge" in found else low


def vars_of(bound: object) -> dict[str, Any]:
    names = ("pattern", "ge", "gt", "le")
    return {name: getattr(bound, name) for name in names if getattr(bound, name, None) is not None}


def test_every_setting_is_documented() -> None:
    """One row per field in the order of the code: its unit, default, bounds and description."""
    rows = re.findall(r"^\| `STEPSTREAM_.*\|$", PAGE.partition("## Other variables")[0], re.MULTILINE)

    assert rows == [row_of(name, field) for name, field in Settings.model_fields.items()]


def test_every_other_variable_is_documented() -> None:
    """Whatever the code reads from the environment under our name is a setting or in the second table."""
    named = set(
        re.findall(r"\bSTEPSTREAM_[A-Z_]*[A-Z]\b", "".join(p.read_text() for p in (ROOT / "app").rglob("*.py")))
    )
    settings = {f"STEPSTREAM_{name.upper()}" for name in Settings.model_fields}
    documented = set(re.findall(r"^\| `(STEPSTREAM_\w+)` ", PAGE.partition("## Other variables")[2], re.MULTILINE))

    assert named - settings == OTHER_VARIABLES == documented


def test_options_that_stand_for_variables_are_there() -> None:
    """The page's third table names commands and options that exist."""
    rows = re.findall(r"^\| `--(\w+)` of `stepstream ([\w`, ]+)` \| `(STEPSTREAM_\w+)` \|$", PAGE, re.MULTILINE)
    settings = {f"STEPSTREAM_{name.upper()}" for name in Settings.model_fields}

    assert [(option, variable) for option, _, variable in rows] == [
        ("host", "STEPSTREAM_API_HOST"), ("port", "STEPSTREAM_API_PORT"), ("url", "STEPSTREAM_URL"),
    ]  # fmt: skip
    for option, names, variable in rows:
        assert variable in settings | OTHER_VARIABLES
        for name in names.replace("`", "").split(", "):
            command = Stepstream.places[name].load(name)
            assert option in {parameter.name for parameter in command.params}, (name, option)


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
    ("name", "value"),
    [
        ("COLLECTIONS", "docs"),
        ("NAMESPACE", "a{b}"),
        ("API_PORT", "99999"),
        ("LEASE_MS", "1"),
        ("WEB_ALLOW", "wiki, http://wiki"),
        ("WEB_ALLOW", "10.0.0.1/8"),
        ("WEB_PORTS", "80,0"),
        ("WEB_PORTS", "http"),
        ("WEB_USER_AGENT", "a\r\nCookie: b"),
        ("SEARXNG_URL", "localhost:8888"),
        ("SEARXNG_URL", "http://a/?q=%s"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A value that cannot work is an error at start-up, not a surprise later."""
    monkeypatch.setenv(f"STEPSTREAM_{name}", value)

    with pytest.raises(ValidationError):
        Settings()


def test_a_bad_setting_is_named_and_its_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line each, as people write the variable; what was set by mistake may be a secret."""
    monkeypatch.setenv("STEPSTREAM_LEASE_MS", "s3cret")
    monkeypatch.setenv("STEPSTREAM_COLLECTIONS", "s3cret")

    with pytest.raises(BadSettings) as caught:
        read_settings()

    assert caught.value.lines == [
        "STEPSTREAM_COLLECTIONS: write collections as name=path, separated by commas",
        "STEPSTREAM_LEASE_MS: Input should be a valid integer, unable to parse string as an integer",
    ]


def test_a_misspelt_setting_is_found() -> None:
    """Those of the client are known; what has another prefix is none of ours."""
    names = ["STEPSTREAM_LEASE", "STEPSTREAM_LEASE_MS", "STEPSTREAM_API_KEY", "STEPSTREAM_URL", "REDIS_URL", "PATH"]

    assert unknown_variables(names) == ["STEPSTREAM_LEASE"]


@pytest.mark.parametrize(("written", "level"), [("INFO", "info"), ("Debug", "debug")])
def test_a_level_may_be_written_as_elsewhere(monkeypatch: pytest.MonkeyPatch, written: str, level: str) -> None:
    """In capitals, as `logging` has it."""
    monkeypatch.setenv("STEPSTREAM_LOG_LEVEL", written)

    assert Settings().log_level == level
