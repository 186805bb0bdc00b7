"""Children that die come back, up to a limit."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.cli.children import Child
from app.cli.keeper import Keeper, Patience, StackError

HASTY = Patience(restarts_max=2, pause_s=0.01, pause_s_max=0.02)


class Said:
    """The lines of a keeper, and a signal for its giving up."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.gave_up = threading.Event()
        self.changed = threading.Event()


@contextmanager
def keeping(said: Said, script: str, *, patience: Patience = HASTY, check: object = None) -> Iterator[Keeper]:
    """A keeper of one Python child that runs `script`."""
    keeper = Keeper(said.lines.append, check if callable(check) else lambda: None, patience)
    keeper.gave_up, keeper.changed = said.gave_up.set, said.changed.set
    kept = keeper.add(lambda: Child("pet", [sys.executable, "-c", script], {}, lambda *_: None, "up"), 5.0)
    keeper.begin()
    yield keeper
    keeper.rest()
    kept.stop(threading.Event())
    keeper.end()


def test_a_child_that_keeps_dying_is_given_up() -> None:
    """After the last restart there is one reason with its exit code, its last words and the limit."""
    said = Said()
    with keeping(said, "print('last words'); raise SystemExit(3)") as keeper:
        assert said.gave_up.wait(20)

    assert [line.partition(";")[0] for line in said.lines] == ["The pet ended with exit code 3"] * 2
    assert "(2 of at most 2 restarts within 60 s)" in said.lines[1]
    assert isinstance(keeper.failure, StackError)
    assert str(keeper.failure) == (
        "The pet ended with exit code 3 after 2 restarts within 60 s; it is not started again."
    )
    assert keeper.failure.log == ("last words",)


def test_deaths_that_are_long_ago_do_not_count(tmp_path: Path) -> None:
    """With a window of no length a child may die for ever; every new process is told."""
    said = Said()
    patience = Patience(restarts_max=1, window_s=0, pause_s=0.01)
    deaths = tmp_path / "deaths"
    script = (
        f"import signal; f = open({str(deaths)!r}, 'a+'); f.write('x'); f.flush(); f.seek(0)\n"
        "len(f.read()) > 3 and signal.pause()"
    )
    with keeping(said, script, patience=patience) as keeper:
        for _ in range(3):
            assert said.changed.wait(20)
            said.changed.clear()
        assert keeper.failure is None

    assert len(said.lines) == 3
    assert all("1 of at most 1" in line for line in said.lines)


def test_what_cannot_be_mended_ends_the_keeping() -> None:
    """The reason is kept, and the children are left to whoever ends them."""
    said = Said()

    def check() -> None:
        raise StackError("gone")

    with keeping(said, "import signal; signal.pause()", check=check) as keeper:
        assert said.gave_up.wait(5)
        assert keeper.children[0].exit_code is None
    assert str(keeper.failure) == "gone"


def test_nothing_is_started_once_it_rests() -> None:
    """A child that is ended on purpose stays dead."""
    said = Said()
    with keeping(said, "import signal; signal.pause()") as keeper:
        keeper.rest()
        keeper.children[0].stop(0, threading.Event())
        assert not said.changed.wait(0.3)
    assert said.lines == []
