"""`stepstream events`: what happens, as it happens; over the HTTP API."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from app.cli.completion import complete_task
from app.cli.environment import Url, api
from app.cli.filters import LabelOption, labels_of
from app.cli.records import Json, for_programs
from app.cli.tasks import checked
from app.cli.telling import event_json, told
from app.cli.terminal import one_line, say
from app.model.events import Event
from app.model.fire import FireEvent

TYPE_CHARS = 20

events_cli = typer.Typer(
    rich_markup_mode=None, add_completion=False, help="Events: watch them as they happen.", no_args_is_help=True
)


@events_cli.callback()
def events() -> None:
    """Events: watch them as they happen."""


@events_cli.command()
def tail(  # noqa: PLR0913, PLR0917  # the options of a command
    task_ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TASK",
            help="Ids of tasks, 100 at most. Without any: all that happens anywhere, which needs an admin key.",
            autocompletion=complete_task,
        ),
    ] = None,
    types: Annotated[
        str, typer.Option(help="Only these, as in `step.*,task.started`; the end of a named task is always shown.")
    ] = "",
    after: Annotated[
        str | None,
        typer.Option(help="Only what is behind this: a number of the task's events; without a task a time in ms."),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Without a task: only what happens to this tenant's.")] = None,
    label: LabelOption = None,
    url: Url = None,
    as_json: Json = None,
) -> None:
    """Show events as they happen: those of tasks from their first to their last, or all there are from now on."""
    wanted = [name.strip() for name in types.split(",") if name.strip()]
    named = [checked(task_id) for task_id in task_ids or ()]
    if named and (tenant or label):
        raise typer.BadParameter("--tenant and --label are for all tasks, not for some that are named")
    number = _number(after, len(named))
    with api(url) as client:
        found: Iterator[Event | FireEvent]
        if not named:
            found = client.firehose(after or "", types=wanted, tenant=tenant, labels=labels_of(label))
        elif len(named) == 1:
            found = client.follow(named[0], number, types=wanted)
        else:
            found = client.follow_many(named, types=wanted)
        for event in found:
            say(event_json(event) if for_programs(as_json) else _line(event, named=len(named) != 1))


def _number(after: str | None, tasks: int) -> int:
    """The number of an event, where a single task is followed."""
    if after is None or not tasks:
        return 0
    if tasks > 1:
        raise typer.BadParameter("a number is one of a single task's events", param_hint="--after")
    if not (after.isascii() and after.isdecimal()):
        raise typer.BadParameter(f"{one_line(after, 40)!r} is not the number of an event", param_hint="--after")
    return int(after)


def _line(event: Event | FireEvent, *, named: bool) -> str:
    """One event for people; `named` when it may be of several tasks, or of none."""
    subject = f"{one_line(event.task_id or event.worker or '')}  " if named else ""
    step = f"step {event.step_id} {one_line(event.agent or '')}  " if event.step_id is not None else ""
    what = f"{subject}{event.seq or '':>4}  {one_line(event.type):{TYPE_CHARS}}  {step}{told(event)}"
    return f"{_clock(event.ts or 0)}  {what}".rstrip()


def _clock(ms: int) -> str:
    try:
        return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%H:%M:%S.%f")[:-3]
    except (OverflowError, ValueError, OSError):
        return "-"
