"""
What a shell offers behind TAB, as far as the API tells it within a moment.

Nothing here may fail or say anything: a shell shows it between what a person types.
"""

import os
from itertools import islice

import httpx2
import typer

from app.cli.claim import running_api
from app.cli.environment import URL_VARIABLE
from app.cli.terminal import one_line
from app.client import Client, ClientError
from app.config import Settings

TIMEOUT_S = 1.0
TASKS_MAX = 50
WORDS_CHARS_MAX = 50


def complete_task(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """(id, state and words) of the newest tasks that begin like that."""
    try:
        url = context.params.get("url") or os.environ.get(URL_VARIABLE) or running_api(Settings().data_dir)
        if not url:
            return []
        with Client(url, timeout_s=TIMEOUT_S) as client:
            return [
                (one_line(task.task_id), one_line(f"{task.status} {task.task}", WORDS_CHARS_MAX))
                for task in islice(client.tasks(page_size=TASKS_MAX), TASKS_MAX)
                if task.task_id.startswith(incomplete)
            ]
    except (ClientError, httpx2.InvalidURL, ValueError, OSError):
        return []


def complete_queue(incomplete: str) -> list[str]:
    """The queues that were ever used, straight from Redis."""
    # Only here: a task is completed without it.
    from redis import RedisError

    from app import local_redis
    from app.broker.admin import QueueAdmin
    from app.cli.redis_access import connect

    try:
        settings = Settings()
        with connect(local_redis.redis_url(settings), TIMEOUT_S) as client:
            names = QueueAdmin(client, settings.namespace).queues()
        return [one_line(name) for name in names if name.startswith(incomplete)]
    except (RedisError, ValueError, OSError):
        return []
