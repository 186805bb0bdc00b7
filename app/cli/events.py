"""`stepstream events`: what happens, as it happens; over the HTTP API."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from app.cli.completion import complete_task
from app.cli.environment import Url, api
from app.cli.records import Json, for_programs
from app.cli.tasks import checked
from app.cli.telling import event_json, told
from app.cli.terminal import one_line, say
from app.client import Client
from app.model.events import Event

TYPE_CHARS = 20

events_cli = typer.Typer(
    rich_markup_mode=None, add_completion=False, help="Events: watch them as they happen.", no_args_is_help=True
)


@events_cli.callback()
def events() -> None:
    """Events: watch them as they happen."""


@events_cli.command()
def tail(
    task_ids: Annotated[
        list[str],
        typer.Argument(metavar="TASK...", help="Ids of tasks, 100 at most.", autocompletion=complete_task),
    ],
    types: Annotated[str, typer.Option(help="Only these, as in `step.*,task.started`; ends are always shown.")] = "",
    after: Annotated[int, typer.Option(min=0, help="Only events behind this number; for a single task.")] = 0,
    url: Url = None,
    as_json: Json = None,
) -> None:
    """Show the events of tasks, from their first on, until the tasks have ended."""
    if after and len(task_ids) > 1:
        raise typer.BadParameter("a number is one of a single task's", param_hint="--after")
    wanted = [name.strip() for name in types.split(",") if name.strip()]
    with api(url) as client:
        for event in _followed(client, [checked(task_id) for task_id in task_ids], after, wanted):
            say(event_json(event) if for_programs(as_json) else _line(event, len(task_ids) > 1))


def _followed(client: Client, task_ids: list[str], after: int, types: list[str]) -> Iterator[Event]:
    if len(task_ids) == 1:
        return client.follow(task_ids[0], after, types=types)
    return client.follow_many(task_ids, types=types)


def _line(event: Event, named: bool) -> str:
    """One event for people; `named` when it may be of several tasks."""
    step = f"step {event.step_id} {one_line(event.agent or '')}  " if event.step_id is not None else ""
    task = f"{one_line(event.task_id)}  " if named else ""
    what = f"{task}{event.seq:>4}  {one_line(event.type):{TYPE_CHARS}}  {step}{told(event)}"
    return f"{_clock(event.ts)}  {what}".rstrip()


def _clock(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except (OverflowError, ValueError, OSError):
        return "-"
