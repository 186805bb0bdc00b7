"""
`stepstream tasks`: what there is, how it stands, and how to steer it; over the HTTP API.

Exit codes: 0 done, 1 nothing was found or it is not possible, 2 usage, 3 no API answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, NoReturn

import httpx2
import typer
from pydantic import BaseModel, ValidationError

from app.cli.claim import running_api
from app.cli.inputs import BadInput, read_plan
from app.cli.task_tables import print_task, print_tasks
from app.cli.terminal import json_line, one_line, plain
from app.client import ApiError, Client, ClientError
from app.config import Settings
from app.model.answers import Accepted
from app.model.task import CancelMode, TaskStatus, TaskView, is_task_id

NOTHING, USAGE, UNREACHABLE = 1, 2, 3
#: What the API answers when the request itself is at fault.
USAGE_STATUSES = frozenset({400, 413, 415, 422})
TaskIdArgument = Annotated[str, typer.Argument(metavar="TASK", help="Id of a task, as `ls` shows it.")]
Url = Annotated[str | None, typer.Option(help="The API to ask. Unset: that of the running `up`.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
ReasonOption = Annotated[str | None, typer.Option(help="A sentence for the event log.")]

tasks_cli = typer.Typer(rich_markup_mode=None, help="Tasks: list, show, steer, delete.", no_args_is_help=True)


@tasks_cli.command()
def ls(  # noqa: PLR0913, PLR0917  # the options of a command
    status: Annotated[TaskStatus | None, typer.Option(help="Only tasks in this state.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only tasks with this label, name:value; repeatable.")] = None,
    search: Annotated[str | None, typer.Option(help="Words that are all in the task's text.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only tasks of this time (local) or later.")] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest to show.")] = 20,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Show tasks, the newest first."""
    labels = dict(_label(text) for text in label or ())
    if len(labels) != len(label or ()):
        raise typer.BadParameter("a task has one value of a label: name each label once", param_hint="--label")
    with _api(url) as client:
        found = client.tasks(
            status=status,
            labels=labels,
            words=search,
            created_after=since.astimezone(UTC) if since else None,
            page_size=min(count, 100),
        )
        tasks = list(islice(found, count))
    if not tasks:
        _end("no tasks", NOTHING)
    if as_json:
        _echo_json(*tasks)
        return
    print_tasks(tasks)


@tasks_cli.command()
def show(task_id: TaskIdArgument, url: Url = None, as_json: Json = False) -> None:
    """Show a task and its steps as they stand."""
    with _api(url) as client:
        task = client.task(_checked(task_id))
    if as_json:
        _echo_json(task)
        return
    print_task(task)


@tasks_cli.command()
def cancel(
    task_id: TaskIdArgument,
    mode: Annotated[
        CancelMode, typer.Option(help="graceful: interrupt; force: end now; finish: work with what there is.")
    ] = CancelMode.GRACEFUL,
    reason: ReasonOption = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """End a task early."""
    with _api(url) as client:
        task = client.cancel(_checked(task_id), mode, reason)
    _answer(task, as_json)
    wanted = {TaskStatus.CANCELLING, TaskStatus.CANCELLED}
    if mode is CancelMode.FINISH:
        wanted |= {TaskStatus.QUEUED, TaskStatus.RUNNING, TaskStatus.COMPLETED}
    if task.status not in wanted:
        raise typer.Exit(NOTHING)


@tasks_cli.command()
def pause(task_id: TaskIdArgument, reason: ReasonOption = None, url: Url = None, as_json: Json = False) -> None:
    """Start nothing more of a task until `resume`; what runs is finished."""
    with _api(url) as client:
        _answer(client.pause(_checked(task_id), reason), as_json)


@tasks_cli.command()
def resume(task_id: TaskIdArgument, reason: ReasonOption = None, url: Url = None, as_json: Json = False) -> None:
    """Let a task go on."""
    with _api(url) as client:
        _answer(client.resume(_checked(task_id), reason), as_json)


@tasks_cli.command()
def retry(
    task_id: TaskIdArgument,
    from_step: Annotated[int | None, typer.Option(min=1, help="Run this step and all behind it again too.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Run again what did not succeed in a failed, cancelled or expired task."""
    with _api(url) as client:
        _answer(client.retry(_checked(task_id), from_step), as_json)


@tasks_cli.command()
def fork(
    task_id: TaskIdArgument,
    from_step: Annotated[int | None, typer.Option(min=1, help="Run this step and all behind it again.")] = None,
    plan: Annotated[Path | None, typer.Option(help="A JSON file with the edited plan.")] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Make a new task of one that has ended; results that the change does not touch are taken over."""
    if from_step is None and plan is None:
        raise typer.BadParameter("say --from-step, --plan, or both")
    with _api(url) as client:
        _answer(client.fork(_checked(task_id), from_step, read_plan(plan)), as_json)


@tasks_cli.command()
def rm(
    task_ids: Annotated[list[str], typer.Argument(metavar="TASK", help="Ids of tasks that have ended.")],
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Delete tasks that have ended: state, events and results."""
    for task_id in task_ids:
        _checked(task_id)
    with _api(url) as client:
        for task_id in task_ids:
            client.delete(task_id)
            _say({"task_id": task_id, "status": "deleted"}, as_json)


@contextmanager
def _api(url: str | None) -> Iterator[Client]:
    """A client; what goes wrong with it becomes a sentence and an exit code."""
    with _client(url) as client:
        try:
            yield client
        except BadInput as error:
            _end(str(error), USAGE)
        except ApiError as error:
            code = USAGE if error.status in USAGE_STATUSES else NOTHING if error.status < 429 else UNREACHABLE
            _end("\n".join(error.lines), code)
        except ClientError as error:
            _end(str(error), UNREACHABLE)


def _client(url: str | None) -> Client:
    try:
        found = url or running_api(Settings().data_dir)
    except ValidationError as error:
        _end(f"configuration: {error}", USAGE)
    if not found:
        _end("no API runs here: begin `stepstream up`, or say where with --url", UNREACHABLE)
    try:
        return Client(found)
    except (httpx2.InvalidURL, ValueError) as error:
        _end(f"{found!r} is not the address of an API: {error}", USAGE)


def _checked(task_id: str) -> str:
    if not is_task_id(task_id):
        raise typer.BadParameter(f"{plain(task_id)[:80]!r} is not the id of a task")
    return task_id


def _label(text: str) -> tuple[str, str]:
    name, separator, value = text.partition(":")
    if not separator or not name:
        raise typer.BadParameter("write a label as name:value", param_hint="--label")
    return name, value


def _answer(task: TaskView | Accepted, as_json: bool) -> None:
    if as_json:
        _echo_json(task)
    else:
        _say({"task_id": task.task_id, "status": task.status}, as_json)


def _say(row: dict[str, str], as_json: bool) -> None:
    typer.echo(json_line(row) if as_json else f"{one_line(row['task_id'])}  {one_line(row['status'])}")


def _echo_json(*rows: BaseModel) -> None:
    for row in rows:
        typer.echo(json_line(row))


def _end(said: str, code: int) -> NoReturn:
    for line in said.splitlines():
        typer.echo(one_line(line), err=True)
    raise typer.Exit(code)
