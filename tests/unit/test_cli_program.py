"""The tree of commands: what it says of them, and what it reads before it is asked for."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.main import Stepstream

SERVER = ("fastapi", "starlette", "uvicorn", "dramatiq", "structlog")


def loaded_by(*arguments: str) -> list[str]:
    """The modules that are there after a command, by name."""
    code = (
        f"import sys; sys.argv = ['stepstream', *{arguments!r}]; from app.__main__ import main\n"
        "try: main()\n"
        "finally: print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stderr.splitlines()


FOLDER = Path(__file__).parent.parent.parent / "app" / "cli"
#: Logs of a whole stack are cleaned where they are made; the outermost layer writes nothing.
OWN_WAYS = {"terminal.py", "log_output.py", "program.py"}


def test_everything_is_written_by_one_module() -> None:
    """So there is one place in which text is made harmless."""
    for path in FOLDER.rglob("*.py"):
        found = re.findall(r"typer\.echo|\bprint\(|sys\.std(?:out|err)\.write|\bText\(|\.out\(", path.read_text())
        assert path.name in OWN_WAYS or found == [], path


@pytest.mark.parametrize("name", Stepstream.places)
def test_the_tree_says_of_a_command_what_it_says_of_itself(name: str) -> None:
    """The first words of its own help."""
    place = Stepstream.places[name]
    command = place.load(name)

    assert command.name == name
    assert str(command.help).startswith(place.help.rstrip("."))


def test_help_and_completion_read_next_to_nothing() -> None:
    """A person waits for them between two keys."""
    loaded = loaded_by("--help")

    assert "app.cli.program" in loaded
    assert [name for name in loaded if name.startswith((*SERVER, "redis", "httpx2", "pydantic", "app.client"))] == []


def test_a_command_of_the_api_reads_no_server() -> None:
    """Nor the driver of Redis."""
    loaded = loaded_by("tasks", "ls", "--url", "http://127.0.0.1:1")

    assert "app.cli.tasks" in loaded
    assert [name for name in loaded if name.startswith((*SERVER, "redis"))] == []
