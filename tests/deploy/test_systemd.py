"""deploy/systemd: read by systemd itself; what the units start and rely on is there."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from app.cli.programs import API_DRAIN_S
from app.config import Settings
from tests.deploy.resolving import check_command, check_variables, drain_s
from tests.deploy.tools import DEPLOY, accepted

FOLDER = DEPLOY / "systemd"
UNITS = ["stepstream-api@8000.service", "stepstream-worker@retriever.service"]
#: Of ten, as `systemd-analyze security` counts; a plain unit has 9.6.
EXPOSURE_MAX = 1.5


def lines(unit: str) -> list[tuple[str, str]]:
    """(name, value) of each setting of a unit, of a template's instance."""
    name, _, instance = unit.removesuffix(".service").partition("@")
    text = (FOLDER / f"{name}@.service").read_text().replace("%i", instance)
    return re.findall(r"^(\w+)=(.*)$", text, flags=re.M)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as instances, with the program that is installed here."""
    for unit in UNITS:
        text = "\n".join(f"{name}={value}" for name, value in lines(unit))
        assert text
        source = (FOLDER / f"{unit.partition('@')[0]}@.service").read_text()
        (tmp_path / unit).write_text(source.replace("/opt/stepstream/bin", str(Path(sys.executable).parent)))
    (tmp_path / "stepstream.target").write_text((FOLDER / "stepstream.target").read_text())
    return tmp_path


def test_systemd_has_nothing_to_say_about_the_units(installed: Path) -> None:
    """Not even a warning."""
    said = accepted("systemd-analyze", "verify", "--man=no", *(installed / unit for unit in UNITS))

    assert [line for line in said.splitlines() if "stepstream" in line] == []


@pytest.mark.parametrize("unit", UNITS)
def test_the_units_are_hardened(installed: Path, unit: str) -> None:
    """What a process that was taken over could do is bounded."""
    threshold = f"--threshold={EXPOSURE_MAX * 10:.0f}"
    accepted("systemd-analyze", "security", "--offline=true", "--no-pager", threshold, installed / unit)


@pytest.mark.parametrize("unit", UNITS)
def test_what_a_unit_starts_and_sets_is_there(unit: str) -> None:
    """The command with its options, the queue, each variable."""
    said = dict(lines(unit))
    program, *command = shlex.split(said["ExecStart"])
    check_command(["stepstream", *command])
    check_variables(shlex.split(said["Environment"]))

    assert program == "/opt/stepstream/bin/stepstream"


def test_the_variables_of_the_file_are_settings() -> None:
    """Those in comments as well."""
    text = (FOLDER / "stepstream.env").read_text()

    check_variables(re.findall(r"^(?:#\s+)?([A-Z_]+=.*)$", text, flags=re.M))


def test_a_unit_waits_longer_than_what_it_stops_takes() -> None:
    """Else running steps would be killed, each with an attempt lost."""
    api, worker = (dict(lines(unit)) for unit in UNITS)

    assert int(api["TimeoutStopSec"]) > API_DRAIN_S
    assert int(worker["TimeoutStopSec"]) > drain_s(Settings().shutdown_grace_ms)
    assert api["KillMode"] == worker["KillMode"] == "mixed"
