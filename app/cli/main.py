"""
The command `stepstream`.

Exit codes: 0 done, 1 the task or a part of the system failed, 2 usage, 3 unreachable, 130 Ctrl-C.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx2
import typer
from pydantic import ValidationError
from rich.console import Console

from app import local_redis
from app.cli import demo as demonstration
from app.cli.claim import InUse, running_api
from app.cli.doors import DoorOpen, require_key
from app.cli.follow import DONE, FAILED, INTERRUPTED, UNREACHABLE, USAGE, Outcome, Request, Runner
from app.cli.inputs import BadInput, read_documents, read_plan, read_task
from app.cli.keeper import StackError
from app.cli.keys import keys_cli
from app.cli.queues import dlq_cli, queues_cli
from app.cli.tasks import tasks_cli
from app.cli.terminal import consoles, plain
from app.cli.up import NOTICE, PortTaken, Shape, Stack
from app.client import Client
from app.config import Settings
from app.documents import DocumentError
from app.errors import StepstreamError, Unavailable

CPUS = os.cpu_count() or 1

cli = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Multi-step agent tasks as durable background work you can watch.",
)
cli.add_typer(tasks_cli, name="tasks")
cli.add_typer(queues_cli, name="queues")
cli.add_typer(dlq_cli, name="dlq")
cli.add_typer(keys_cli, name="keys")

Url = Annotated[str | None, typer.Option(help="The API to use. Unset: the running `up`, else one just for this task.")]
Processes = Annotated[int, typer.Option(min=1, max=256, help="Worker processes.")]
Threads = Annotated[int, typer.Option(min=1, max=256, help="Batches that one worker process runs at a time.")]


@cli.command()
def up(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port of the API; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address the API listens on.")] = None,
    processes: Processes = CPUS,
    threads: Threads = 8,
) -> None:
    """Run Redis, the API and workers until Ctrl-C."""
    settings = _settings()
    _, err = consoles()
    shape = Shape(host or settings.api_host, settings.api_port if port is None else port, processes, threads)
    stack = Stack(settings, shape, _say)
    with _reported(err, log_shown=True), _signals(stack.ask_to_stop), stack:
        _say("redis", stack.redis_said)
        _say("workers", f"processes: {processes}, threads in each: {threads}")
        _say("api", f"listens on {stack.api_url}")
        _say(NOTICE, "ready; Ctrl-C ends everything")
        stack.watch()
        _say(NOTICE, "ending API, workers, Redis; Ctrl-C again to hurry")


@cli.command()
def run(
    task: Annotated[str, typer.Argument(help="What is to be done, in plain words.")],
    docs: Annotated[Path | None, typer.Option(help="A folder of texts to work on; they are sent along.")] = None,
    plan: Annotated[Path | None, typer.Option(help="A JSON file with the steps, instead of planning.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Events and result as one JSON object per line.")] = False,
    url: Url = None,
) -> None:
    """Run a task and watch it; the report goes to standard output, all else to standard error."""
    settings = _settings()
    out, err = consoles()
    with _reported(err), _signals(_interrupt):
        request = Request(read_task(task), read_plan(plan), read_documents(docs), as_json)
        with _client(settings, url, err) as (client, lasting):
            outcome = Runner(client, out, err).run(request)
            _say_where(err, outcome, client.base_url if lasting else None)
    raise typer.Exit(outcome.code)


@cli.command()
def demo(
    task: Annotated[str, typer.Argument(help="What to ask about the packages installed here.")] = demonstration.TASK,
    url: Url = None,
) -> None:
    """Research a question in the READMEs of the packages installed here."""
    settings = _settings()
    out, err = consoles()
    with _reported(err), _signals(_interrupt):
        folder = demonstration.write_documents(settings.data_dir / "demo-docs")
        documents = read_documents(folder)
        err.out(f"{len(documents)} documents in {folder}", highlight=False)
        with _client(settings, url, err) as (client, lasting):
            outcome = Runner(client, out, err).run(Request(read_task(task), documents=documents))
            if outcome.code == DONE and outcome.task_id:
                out.print(demonstration.metrics_table(client.metrics(outcome.task_id).model_dump(mode="json")))
            _say_where(err, outcome, client.base_url if lasting else None)
    raise typer.Exit(outcome.code)


@cli.command()
def api(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Run the API alone."""
    settings = _settings()
    host, port = host or settings.api_host, settings.api_port if port is None else port
    with _reported(consoles()[1]):
        require_key(host, local_redis.redis_url(settings), settings.namespace)
    arguments = ["--host", host, "--port", str(port), "--timeout-graceful-shutdown", "5"]
    _become([sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory", *arguments])


@cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def worker(context: typer.Context) -> None:
    """Run workers alone; options are those of `dramatiq`."""
    _settings()
    _become([sys.executable, "-m", "dramatiq", "actors", *context.args])


def main() -> None:
    cli(prog_name="stepstream")


def _become(command: list[str]) -> None:
    """Replaces this process, so that signals reach the server itself."""
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  # our own interpreter, no shell


def _settings() -> Settings:
    try:
        settings = Settings()
        local_redis.require_url(local_redis.redis_url(settings))
    except local_redis.BadUrl as error:
        raise typer.Exit(_complain(consoles()[1], USAGE, str(error))) from error
    except ValidationError as error:
        _, err = consoles()
        for finding in error.errors(include_url=False):
            err.out(f"setting {'.'.join(map(str, finding['loc']))}: {finding['msg']}", highlight=False)
        raise typer.Exit(USAGE) from error
    return settings


@contextmanager
def _reported(err: Console, *, log_shown: bool = False) -> Iterator[None]:
    """Turns what a person can mend into a sentence and an exit code, after the log of what failed."""
    try:
        yield
    except (InUse, PortTaken, DoorOpen, BadInput, DocumentError, local_redis.BadUrl) as error:
        code = _complain(err, USAGE, str(error))
    except StackError as error:
        code = _complain(err, FAILED, *(() if log_shown else error.log), str(error))
    except Unavailable as error:
        code = _complain(err, UNREACHABLE, str(error))
    except StepstreamError as error:
        code = _complain(err, FAILED, str(error))
    except KeyboardInterrupt:
        code = INTERRUPTED
    else:
        return
    raise typer.Exit(code)


def _complain(err: Console, code: int, *lines: str) -> int:
    for line in lines:
        err.out(plain(line), highlight=False)
    return code


def _say(name: str, line: str) -> None:
    typer.echo(f"{name:7} | {plain(line)}")


@contextmanager
def _signals(react: Callable[[], None]) -> Iterator[None]:
    """A closed terminal (SIGHUP) and a polite kill are the same as Ctrl-C."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, lambda *_: react()) for kind in kinds}
    try:
        yield
    finally:
        for kind, reaction in before.items():
            signal.signal(kind, reaction)


def _interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def _client(settings: Settings, url: str | None, err: Console) -> Iterator[tuple[Client, bool]]:
    """(a client, whether its API outlives this command)."""
    found = url or running_api(settings.data_dir)
    if found:
        with _client_at(found) as client:
            yield client, True
        return
    err.out("starting Redis, the API and workers for this task ...", highlight=False)
    shape = Shape("127.0.0.1", 0, min(2, CPUS), 8, kind="run")
    stack = Stack(settings, shape, lambda name, line: err.out(plain(line), highlight=False) if name == NOTICE else None)
    stack.keeper.gave_up = _interrupt_main
    with stack, Client(stack.api_url) as client:
        yield client, False


def _client_at(url: str) -> Client:
    try:
        return Client(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadInput(f"{url!r} is not the address of an API: {error}.") from error


def _interrupt_main() -> None:
    """As a Ctrl-C does: who waits for an event of a stack that is broken would wait for ever."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def _say_where(err: Console, outcome: Outcome, lasting_url: str | None) -> None:
    if outcome.task_id is None:
        return
    path = f"/metrics/{outcome.task_id}"
    if outcome.code == INTERRUPTED:
        when = "goes on" if lasting_url else "goes on with the next `stepstream up`"
        err.out(f"task {outcome.task_id} {when}", highlight=False)
    where = f"{lasting_url}{path}" if lasting_url else f"`stepstream up`, then GET {path}"
    err.out(f"metrics: {where}", highlight=False)
