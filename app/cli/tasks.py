"""`stepstream tasks`: what there is, how it stands, and how to steer it; over the HTTP API."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import bulk
from app.cli.completion import complete_task
from app.cli.environment import Url, api
from app.cli.exits import Exit
from app.cli.filters import LabelOption, SearchOption, SinceOption, StatusOption, instant, labels_of
from app.cli.inputs import read_plan
from app.cli.records import Json, for_programs, say_record, say_records
from app.cli.task_tables import print_task, print_tasks
from app.cli.terminal import end, one_line, say, tell
from app.client import ApiError, Client
from app.model.answers import Accepted
from app.model.task import CancelMode, TaskStatus, TaskView, is_task_id

#: What the API answers for a task that is not there, or does not allow it.
NOT_POSSIBLE = frozenset({404, 409, 410})

TaskIdArgument = Annotated[
    str, typer.Argument(metavar="TASK", help="Id of a task, as `ls` shows it.", autocompletion=complete_task)
]
TaskIdArguments = Annotated[
    list[str], typer.Argument(metavar="TASK...", help="Ids of tasks, as `ls` shows them.", autocompletion=complete_task)
]
ReasonOption = Annotated[str | None, typer.Option(help="A sentence for the event log.")]

tasks_cli = typer.Typer(
    rich_markup_mode=None, add_completion=False, help="Tasks: list, show, steer, delete.", no_args_is_help=True
)
tasks_cli.command("bulk")(bulk.bulk)


@tasks_cli.command()
def ls(  # noqa: PLR0913, PLR0917  # the options of a command
    status: StatusOption = None,
    label: LabelOption = None,
    search: SearchOption = None,
    since: SinceOption = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest to show.")] = 20,
    url: Url = None,
    as_json: Json = None,
) -> None:
    """Show tasks, the newest first."""
    labels = labels_of(label)
    with api(url) as client:
        found = client.tasks(
            status=status, labels=labels, words=search, created_after=instant(since), page_size=min(count, 100)
        )
        tasks = list(islice(found, count))
    if not tasks:
        end("no tasks", Exit.FAILED)
    if for_programs(as_json):
        say_records(tasks, as_json)
    else:
        print_tasks(tasks)


@tasks_cli.command()
def show(task_id: TaskIdArgument, url: Url = None, as_json: Json = None) -> None:
    """Show a task and its steps as they stand."""
    with api(url) as client:
        task = client.task(checked(task_id))
    if for_programs(as_json):
        say_record(task, as_json)
    else:
        print_task(task)


@tasks_cli.command()
def cancel(
    task_ids: TaskIdArguments,
    mode: Annotated[
        CancelMode, typer.Option(help="graceful: interrupt; force: end now; finish: work with what there is.")
    ] = CancelMode.GRACEFUL,
    reason: ReasonOption = None,
    url: Url = None,
    as_json: Json = None,
) -> None:
    """End tasks early."""
    wanted = {TaskStatus.CANCELLING, TaskStatus.CANCELLED}
    if mode is CancelMode.FINISH:
        wanted |= {TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.COMPLETED}

    def ask(client: Client, task_id: str) -> bool:
        task = client.cancel(task_id, mode, reason)
        _answer(task, as_json)
        return task.status in wanted

    _each(task_ids, url, ask)


@tasks_cli.command()
def pause(task_ids: TaskIdArguments, reason: ReasonOption = None, url: Url = None, as_json: Json = None) -> None:
    """Start nothing more of tasks until `resume`; what runs is finished."""
    _each(task_ids, url, lambda client, task_id: _answer(client.pause(task_id, reason), as_json))


@tasks_cli.command()
def resume(task_ids: TaskIdArguments, reason: ReasonOption = None, url: Url = None, as_json: Json = None) -> None:
    """Let tasks go on."""
    _each(task_ids, url, lambda client, task_id: _answer(client.resume(task_id, reason), as_json))


@tasks_cli.command()
def retry(
    task_ids: TaskIdArguments,
    from_step: Annotated[int | None, typer.Option(min=1, help="Run this step and all behind it again too.")] = None,
    url: Url = None,
    as_json: Json = None,
) -> None:
    """Run again what did not succeed in failed, cancelled or expired tasks."""
    _each(task_ids, url, lambda client, task_id: _answer(client.retry(task_id, from_step), as_json))


@tasks_cli.command()
def fork(
    task_id: TaskIdArgument,
    from_step: Annotated[int | None, typer.Option(min=1, help="Run this step and all behind it again.")] = None,
    plan: Annotated[Path | None, typer.Option(help="A JSON file with the edited plan.")] = None,
    url: Url = None,
    as_json: Json = None,
) -> None:
    """Make a new task of one that has ended; results that the change does not touch are taken over."""
    if from_step is None and plan is None:
        raise typer.BadParameter("say --from-step, --plan, or both")
    with api(url) as client:
        _answer(client.fork(checked(task_id), from_step, read_plan(plan)), as_json)


@tasks_cli.command()
@tasks_cli.command("delete", hidden=True)
def rm(task_ids: TaskIdArguments, url: Url = None, as_json: Json = None) -> None:
    """Delete tasks that have ended: state, events and results."""

    def ask(client: Client, task_id: str) -> bool:
        client.delete(task_id)
        _say(task_id, "deleted", {"task_id": task_id, "status": "deleted"}, as_json)
        return True

    _each(task_ids, url, ask)


def _each(task_ids: list[str], url: str | None, ask: Callable[[Client, str], bool]) -> None:
    """Asks for one task after the other; one that is refused does not keep the others from their turn."""
    for task_id in task_ids:
        checked(task_id)
    with api(url) as client:
        done = [_done(ask, client, task_id, alone=len(task_ids) == 1) for task_id in task_ids]
    if not all(done):
        raise typer.Exit(Exit.FAILED)


def _done(ask: Callable[[Client, str], bool], client: Client, task_id: str, *, alone: bool) -> bool:
    try:
        return ask(client, task_id)
    except ApiError as error:
        if alone or error.status not in NOT_POSSIBLE:
            raise
        tell(one_line(f"{task_id}: {error}"))
        return False


def checked(task_id: str) -> str:
    """The id, if it is one."""
    if not is_task_id(task_id):
        raise typer.BadParameter(f"{one_line(task_id, 80)!r} is not the id of a task")
    return task_id


def _answer(task: TaskView | Accepted, as_json: bool | None) -> bool:
    _say(task.task_id, task.status, task, as_json)
    return True


def _say(task_id: str, status: str, record: Any, as_json: bool | None) -> None:
    """For people the two things that they asked for."""
    if for_programs(as_json):
        say_record(record, as_json)
    else:
        say(f"{one_line(task_id)}  {one_line(status)}")
