"""`stepstream run` and `demo`: one task, watched from submission to report."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.cli import demo as demonstration
from app.cli.claim import running_api
from app.cli.environment import URL_VARIABLE, client_at
from app.cli.exits import Exit
from app.cli.follow import Outcome, Request, Runner
from app.cli.inputs import read_documents, read_plan, read_task, read_urls
from app.cli.log_output import NOTICE
from app.cli.redis_access import settings_with_redis
from app.cli.reporting import interrupt, reported, signals
from app.cli.terminal import consoles, show, tell
from app.cli.up import Shape, Stack
from app.client import Client
from app.config import Settings
from app.model.output import OutputFormat
from app.model.plan import PlannerChoice

CPUS = os.cpu_count() or 1

Url = Annotated[
    str | None,
    typer.Option(
        envvar=URL_VARIABLE, show_envvar=True, help="The API to use. Unset: the running `up`, else one for this task."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Events and result as one JSON object per line.")]

Format = Annotated[OutputFormat, typer.Option("--format", help="The form in which the report is written.")]


def run(  # noqa: PLR0913, PLR0917  # its options
    task: Annotated[str, typer.Argument(help="What is to be done, in plain words.")],
    docs: Annotated[Path | None, typer.Option(help="A folder of documents to work on; they are sent along.")] = None,
    page: Annotated[list[str] | None, typer.Option(help="URL of a page to read; repeatable.")] = None,
    web: Annotated[bool, typer.Option("--web", help="Search the web as well; needs STEPSTREAM_SEARXNG_URL.")] = False,
    plan: Annotated[Path | None, typer.Option(help="A JSON file with the steps, instead of planning.")] = None,
    output_format: Format = OutputFormat.MARKDOWN,
    planner: Annotated[
        PlannerChoice | None, typer.Option(help="Who plans; unset: as the server is configured.")
    ] = None,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Run a task and watch it; the report goes to standard output. All else goes to standard error."""
    settings = settings_with_redis()
    with reported(), signals(interrupt):
        request = Request(
            read_task(task),
            read_plan(plan),
            read_documents(docs),
            planner=planner,
            urls=read_urls(page),
            web=web,
            output_format=output_format,
            as_json=as_json,
        )
        outcome = _watched(settings, url, request)
    raise typer.Exit(outcome.code)


def demo(
    task: Annotated[str, typer.Argument(help="What to ask about the packages installed here.")] = demonstration.TASK,
    url: Url = None,
    as_json: Json = False,
) -> None:
    """Research a question in the READMEs of the packages installed here."""
    settings = settings_with_redis()
    with reported(), signals(interrupt):
        folder = demonstration.write_documents(settings.data_dir / "demo-docs")
        documents = read_documents(folder)
        tell(f"{len(documents)} documents in {folder}")
        request = Request(read_task(task), documents=documents, as_json=as_json, with_metrics=not as_json)
        outcome = _watched(settings, url, request)
    raise typer.Exit(outcome.code)


def _watched(settings: Settings, url: str | None, request: Request) -> Outcome:
    out, err = consoles()
    with _client(settings, url) as (client, lasting):
        outcome = Runner(client, out, err).run(request)
        if request.with_metrics and outcome.code is Exit.DONE and outcome.task_id:
            show(out, demonstration.metrics_table(client.metrics(outcome.task_id).model_dump(mode="json")))
        _say_where(outcome, client.base_url if lasting else None)
        if outcome.unknown_agent and lasting and settings.agent_modules:
            tell(f"The API at {client.base_url} has the agents that it was started with, whatever is set here.")
    return outcome


@contextmanager
def _client(settings: Settings, url: str | None) -> Iterator[tuple[Client, bool]]:
    """(a client, whether its API outlives this command)."""
    found = url or running_api(settings.data_dir)
    if found:
        with client_at(found) as client:
            yield client, True
        return
    tell("starting Redis, the API and workers for this task ...")
    shape = Shape("127.0.0.1", 0, min(2, CPUS), 8, kind="run")
    stack = Stack(settings, shape, lambda name, line: tell(line) if name == NOTICE else None)
    stack.keeper.gave_up = _interrupt_main
    with stack, Client(stack.api_url) as client:
        yield client, False


def _interrupt_main() -> None:
    """As a Ctrl-C does: who waits for an event of a stack that is broken would wait for ever."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _say_where(outcome: Outcome, lasting_url: str | None) -> None:
    task_id = outcome.task_id
    if task_id is None:
        return
    if outcome.code is Exit.INTERRUPTED and lasting_url:
        tell(f"task {task_id} goes on; watch it with `stepstream events tail {task_id}`")
    elif outcome.code is Exit.INTERRUPTED:
        tell(f"task {task_id} goes on with the next `stepstream up`")
    path = f"/metrics/{task_id}"
    tell(f"metrics: {lasting_url}{path}" if lasting_url else f"metrics: `stepstream up`, then GET {path}")
