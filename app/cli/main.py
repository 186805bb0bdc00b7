"""
The command `stepstream`: all its commands. docs/cli.md describes them.

What a command needs is imported when it is called. So a word that a person completes with TAB takes no longer than it
must, and `tasks ls` does not read the code of brokers and servers.
"""

from typing import Annotated, ClassVar

import typer

from app.cli.program import Place, Program

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


class Stepstream(Program):
    """The tree of commands; a test compares the texts with those of the commands themselves."""

    places: ClassVar[dict[str, Place]] = {
        "up": Place("app.cli.serve:up", "Run Redis, the API and workers until Ctrl-C."),
        "run": Place("app.cli.run:run", "Run a task and watch it; the report goes to standard output."),
        "plan": Place("app.cli.plan:plan", "Show the steps that a task would have and why; nothing runs."),
        "agents": Place("app.cli.plan:agents", "Show the agents that plans may name."),
        "demo": Place("app.cli.run:demo", "Research a question in the READMEs of the packages installed here."),
        "api": Place("app.cli.serve:api", "Run the API alone."),
        "worker": Place("app.cli.serve:worker", "Run workers alone; options are those of `dramatiq`.", PASSED_ON),
        "tasks": Place("app.cli.tasks:tasks_cli", "Tasks: list, show, steer, delete."),
        "events": Place("app.cli.events:events_cli", "Events: watch them as they happen."),
        "workers": Place("app.cli.fleet:workers", "Show worker processes."),
        "queues": Place("app.cli.queues:queues_cli", "Queues: depth, age, pause; straight from Redis."),
        "dlq": Place("app.cli.queues:dlq_cli", "Dead letters: list, put back, throw away; straight from Redis."),
        "keys": Place("app.cli.keys:keys_cli", "Keys of the API: make, list, revoke; straight from Redis."),
        "healthcheck": Place(
            "app.cli.healthcheck:healthcheck_cli", "Say by the exit code whether a process on this machine lives."
        ),
        "doctor": Place("app.cli.doctor.command:doctor", "Look at everything, and say what to do."),
    }


cli = typer.Typer(cls=Stepstream, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _show_version(wanted: bool) -> None:
    if wanted:
        # Only here: nothing else that is asked of this module needs it.
        from app.cli.terminal import say
        from app.version import VERSION

        say(f"stepstream {VERSION}")
        raise typer.Exit


@cli.callback()
def stepstream(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and end.")
    ] = False,
) -> None:
    """Multi-step agent tasks as durable background work you can watch."""
