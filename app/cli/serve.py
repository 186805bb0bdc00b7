"""`stepstream up`, `api` and `worker`: run the whole system, or a part of it."""

import os
import sys
from typing import Annotated

import typer

from app import local_redis
from app.cli.doors import free_port, require_key
from app.cli.log_output import NOTICE, LogOutput
from app.cli.programs import api_command, worker_command
from app.cli.redis_access import settings_with_redis
from app.cli.reporting import reported, signals
from app.cli.run import CPUS
from app.cli.terminal import tell
from app.cli.up import Shape, Stack
from app.config import Settings

Processes = Annotated[int, typer.Option(min=1, max=256, show_default="one per CPU", help="Worker processes.")]
Threads = Annotated[int, typer.Option(min=1, max=256, help="Batches that one worker process runs at a time.")]


def up(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port of the API; 0 takes a free one.")] = None,
    host: Annotated[str | None, typer.Option(help="Address the API listens on.")] = None,
    processes: Processes = CPUS,
    threads: Threads = 8,
) -> None:
    """Run Redis, the API and workers until Ctrl-C."""
    settings = settings_with_redis()
    shape = Shape(host or settings.api_host, settings.api_port if port is None else port, processes, threads)
    output = LogOutput(settings.log_format, settings.log_level)
    stack = Stack(settings, shape, output)
    with reported(log_shown=True), signals(stack.ask_to_stop), stack:
        output.say("redis", stack.redis_said)
        output.say("workers", f"processes: {processes}, threads in each: {threads}")
        output.say("api", f"listens on {stack.api_url}")
        output.say(NOTICE, "ready; Ctrl-C ends everything")
        stack.watch()
        output.say(NOTICE, "ending API, workers, Redis; Ctrl-C again to hurry")


def api(
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port to listen on.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
) -> None:
    """Run the API alone."""
    settings = settings_with_redis()
    host, port = host or settings.api_host, settings.api_port if port is None else port
    with reported():
        require_key(host, local_redis.redis_url(settings), settings.namespace)
        free_port(host, port)
    _say_which_redis(settings)
    _become(api_command(host, port))


def worker(context: typer.Context) -> None:
    """Run workers alone; options are those of `dramatiq`."""
    _say_which_redis(settings_with_redis())
    _become(worker_command(*context.args))


def _say_which_redis(settings: Settings) -> None:
    """Unless one was named, or runs here: an `up` that begins later starts another one, and nobody would meet."""
    if not settings.redis_url and local_redis.redis_url(settings) == local_redis.DEFAULT_URL:
        tell(
            f"No REDIS_URL is set and none runs in {settings.data_dir} (`stepstream up` starts one there): "
            f"asking {local_redis.DEFAULT_URL}."
        )


def _become(command: list[str]) -> None:
    """Replaces this process, so that signals reach the server itself."""
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606  # nosec B606  # our own interpreter, no shell
