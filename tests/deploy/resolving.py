"""Whether what a file in deploy/ names is there: commands with their options, variables, queues."""

from collections.abc import Iterable, Sequence

import typer
from dramatiq.cli import make_argument_parser

from app.bootstrap.startup import load_agents
from app.cli.main import Stepstream
from app.config import Settings, unknown_variables
from app.dispatch.leaving import EXIT_S_MAX
from app.model.agents import AgentRegistry

#: Variables that are not ours and that processes of ours read.
FOREIGN = {"REDIS_URL", "NO_COLOR"}


def agents() -> AgentRegistry:
    """The built-in ones."""
    return load_agents(Settings(agent_modules=()))


def check_command(words: Sequence[str]) -> None:
    """Fails for a command of ours, an option or a queue that is not there."""
    program, name, *rest = words
    assert program == "stepstream", words
    place = Stepstream.places[name]
    if name == "worker":
        told = make_argument_parser().parse_args(["actors", *rest])  # type: ignore[no-untyped-call]
        assert set(told.queues or ()) <= {agent.queue for agent in agents()}, words
        return
    command = place.load(name)
    if getattr(command, "commands", None):
        command, rest = command.commands[rest[0]], rest[1:]
    with typer.Context(command, info_name=name) as context:
        command.parse_args(context, list(rest))


def check_variables(pairs: Iterable[str]) -> None:
    """Fails for a variable that is no setting, and for a value that its setting refuses; `$` is somebody else's."""
    found = dict(pair.split("=", 1) for pair in pairs)
    assert unknown_variables(found) == []
    assert {name for name in found if not name.startswith("STEPSTREAM_")} <= FOREIGN
    fields = {f"STEPSTREAM_{name.upper()}": name for name in Settings.model_fields}
    Settings(**{fields[name]: value for name, value in found.items() if name in fields and "$" not in value})


def drain_s(shutdown_grace_ms: int) -> float:
    """How long a worker process may take to end: running steps, then what is handed back and written."""
    return shutdown_grace_ms / 1000 + EXIT_S_MAX
