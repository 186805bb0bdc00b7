"""`stepstream queues` and `stepstream dlq`: what waits, what rests, what died; straight from Redis, no API needed."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError

from app import local_redis
from app.broker import DeadLetter, DeadLetters, QueueAdmin
from app.broker.broker import SHARED_STREAM
from app.cli.completion import complete_queue
from app.cli.environment import read_settings
from app.cli.exits import Exit
from app.cli.records import Json, for_programs, say_record
from app.cli.redis_access import connect, settings_with_redis, trouble
from app.cli.terminal import end, tell

#: Why `bury` in `app/dispatch/lua/_flow.lua` wrote a letter. Its step is settled: another delivery would do nothing.
STEP_FAILED = "step failed"
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

Queue = Annotated[str, typer.Argument(help="Name of the queue.", autocompletion=complete_queue)]
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of dead letters, as `ls` shows them.")]
All = Annotated[bool, typer.Option("--all", help="All that pass the filters.")]
Actor = Annotated[str | None, typer.Option(help="Only letters of this actor.")]
Reason = Annotated[str | None, typer.Option(help="Only letters that died of this: failed, crashed, undecided, ...")]

queues_cli = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    invoke_without_command=True,
    help="Queues: depth, age, pause; straight from Redis (`STEPSTREAM_REDIS_URL`), without an API.",
)
dlq_cli = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Dead letters: list, put back, throw away; straight from Redis (`STEPSTREAM_REDIS_URL`), without an API.",
)


@queues_cli.callback()
def queues(context: typer.Context, as_json: Json = None) -> None:
    """Queues: depth, age, pause; straight from Redis (`STEPSTREAM_REDIS_URL`), without an API."""
    if context.invoked_subcommand is not None:
        return
    with _admin() as admin:
        stats = admin.stats_of(admin.queues())
    if not stats:
        end("no queue was ever used", Exit.FAILED)
    for name, held in sorted(stats.items()):
        row = {
            "queue": name, "waiting": held.waiting, "in_flight": held.in_flight, "delayed": held.delayed,
            "dead": held.dead, "oldest_age_ms": held.oldest_age_ms, "paused": held.paused,
        }  # fmt: skip
        say_record(row, as_json)


@queues_cli.command()
def pause(queue: Queue, as_json: Json = None) -> None:
    """Let workers fetch nothing more from a queue; what runs is finished. Lasts until `resume`."""
    with _admin() as admin:
        _require(admin, queue)
        changed = admin.pause(queue)
    _answer({"queue": queue, "paused": True}, as_json, changed=changed)


@queues_cli.command()
def resume(queue: Queue, as_json: Json = None) -> None:
    """Let workers fetch again."""
    with _admin() as admin:
        _require(admin, queue)
        changed = admin.resume(queue)
    _answer({"queue": queue, "paused": False}, as_json, changed=changed)


@dlq_cli.command()
def ls(
    queue: Queue,
    offset: Annotated[int, typer.Option(min=0, max=1_000_000, help="How many of the newest to pass over.")] = 0,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many to show.")] = 20,
    as_json: Json = None,
) -> None:
    """Show dead letters, the newest first."""
    with _letters(queue) as letters:
        page = letters.page(offset, count)
    if not page:
        end("no dead letters", Exit.FAILED)
    for letter in page:
        row = {
            "id": letter.letter_id, "actor": letter.actor, "reason": letter.reason, "error": letter.error,
            "deliveries": letter.deliveries, "age_ms": letter.age_ms,
        }  # fmt: skip
        say_record({**row, "history": list(letter.history)} if for_programs(as_json) else row, as_json)


@dlq_cli.command()
def requeue(
    queue: Queue,
    ids: Ids = None,
    every: All = False,
    actor: Actor = None,
    reason: Reason = None,
    as_json: Json = None,
) -> None:
    """Put dead letters back into their queue, at their level and without their retries; not those of failed steps."""
    _demand(bool(ids) or every or bool(actor or reason), "name ids, or a filter, or --all")
    _demand(not (ids and every), "ids and --all do not go together")
    wanted = _filter(actor, reason) or (lambda _: True)
    steps: list[DeadLetter] = []

    def moves(letter: DeadLetter) -> bool:
        if letter.reason == STEP_FAILED and wanted(letter):
            steps.append(letter)
        return letter.reason != STEP_FAILED and wanted(letter)

    with _letters(queue) as letters:
        moved = letters.requeue(ids or None, where=moves)
    if steps:
        tell(f"{len(steps)} of failed steps stay: `stepstream tasks retry TASK` runs such a step again")
    _answer({"queue": queue, "requeued": moved}, as_json, changed=moved > 0)


@dlq_cli.command()
def purge(
    queue: Queue,
    ids: Ids = None,
    every: All = False,
    older_than: Annotated[str | None, typer.Option(help="Only letters older than this: 90s, 15m, 12h, 7d.")] = None,
    as_json: Json = None,
) -> None:
    """Delete dead letters for good."""
    _demand(bool(ids) or every or bool(older_than), "name ids, or --older-than, or --all")
    _demand(not (ids and (older_than or every)), "ids go neither with --older-than nor with --all")
    age_ms = _age_ms(older_than) if older_than else 0
    with _letters(queue) as letters:
        deleted = letters.purge(ids) if ids else letters.purge(older_than_ms=age_ms)
    _answer({"queue": queue, "purged": deleted}, as_json, changed=deleted > 0)


@contextmanager
def _admin() -> Iterator[QueueAdmin]:
    settings = settings_with_redis()
    url = local_redis.redis_url(settings)
    client = connect(url)
    try:
        yield QueueAdmin(client, settings.namespace, shared=SHARED_STREAM if settings.layout == "single" else "")
    except (RedisError, OSError) as error:
        end(trouble(url, error), Exit.UNREACHABLE)
    finally:
        client.close()


def _require(admin: QueueAdmin, queue: str) -> None:
    """Ends with a sentence when no agent has the queue and it was never used: the name is a mistake."""
    if admin.knows(queue):
        return
    # Only here: it brings in all that a server needs, and every command would begin later.
    from app.bootstrap.startup import load_agents

    known = {agent.queue for agent in load_agents(read_settings())}.union(admin.queues())
    if queue not in known:
        end(f"there is no queue {queue!r}; known: {', '.join(sorted(known))}", Exit.FAILED)


@contextmanager
def _letters(queue: str) -> Iterator[DeadLetters]:
    """The dead letters of a queue that there is."""
    with _admin() as admin:
        _require(admin, queue)
        yield admin.dead_letters(queue)


def _filter(actor: str | None, reason: str | None) -> Callable[[DeadLetter], bool] | None:
    if actor is None and reason is None:
        return None
    return lambda letter: actor in {None, letter.actor} and reason in {None, letter.reason}


def _age_ms(text: str) -> int:
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        raise typer.BadParameter("write an age like 90s, 15m, 12h or 7d", param_hint="--older-than")
    return int(found[1]) * _UNITS_MS[found[2]]


def _demand(ok: bool, otherwise: str) -> None:
    if not ok:
        raise typer.BadParameter(otherwise)


def _answer(row: dict[str, Any], as_json: bool | None, *, changed: bool) -> None:
    say_record({**row, "changed": changed}, as_json)
    if not changed:
        raise typer.Exit(Exit.FAILED)
