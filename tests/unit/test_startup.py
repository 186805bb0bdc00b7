"""What a process does first."""

import sys
from pathlib import Path

import pytest

import stepstream
from app.bootstrap.startup import AgentModuleMissing, load_agents
from app.config import Settings


def test_agents_are_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked at last: nothing of ours is hidden by what lies there."""
    (tmp_path / "found_here.py").write_text("from actors.agent import agent\n")
    (tmp_path / "orjson.py").write_text("raise SystemExit('a stranger was imported')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", ".")])

    load_agents(Settings(agent_modules=("found_here",)))

    assert sys.path[-1] == str(tmp_path)
    assert "found_here" in sys.modules


def test_a_module_that_is_not_there_is_named() -> None:
    """Also one below a package that is there."""
    for name in ("no_such_module", "actors.no_such_agent", "no_such.package"):
        with pytest.raises(AgentModuleMissing, match=f"no module '{name}'"):
            load_agents(Settings(agent_modules=(name,)))


def test_what_a_module_misses_itself_is_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the traceback, which tells where, would be lost."""
    (tmp_path / "needs_more.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="no_such_library") as caught:
        load_agents(Settings(agent_modules=("needs_more",)))
    assert not isinstance(caught.value, AgentModuleMissing)


def test_our_packages_are_told_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By where they lie; the sentence says which and what to do."""
    stepstream.require_own_packages()

    monkeypatch.setattr(stepstream, "HOME", tmp_path)
    with pytest.raises(stepstream.Shadowed, match=r"`app` of Stepstream is shadowed: Python finds .*app/__init__\.py"):
        stepstream.require_own_packages()
