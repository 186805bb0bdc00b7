"""`stepstream keys`: make, list and revoke the keys of the API. They lie in Redis, so this needs Redis and no API."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from redis.exceptions import RedisError

from app import local_redis
from app.access.keyring import Keyring
from app.access.keystore import CACHE_S
from app.access.principal import DEFAULT_TENANT, Rates, Scope
from app.access.record import KeyRecord
from app.cli.claim import Claim, InUse
from app.cli.doors import keyring
from app.cli.exits import Exit
from app.cli.records import Json, pairs, say_record, say_records
from app.cli.redis_access import settings_with_redis, trouble
from app.cli.terminal import end, json_line, say, tell
from app.config import Settings
from app.errors import Unavailable
from app.model.times import parse_time

UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
RATES = {"submit": "submit_per_min", "read": "read_per_min", "streams": "streams_max"}
RATE_MAX = 10_000_000

keys_cli = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    help="Keys of the API: make, list, revoke; straight from Redis (`STEPSTREAM_REDIS_URL`), without an API.",
)


@keys_cli.command()
def create(  # the options of a command
    tenant: Annotated[str, typer.Option(help="Whose tasks it opens.")] = DEFAULT_TENANT,
    scope: Annotated[list[Scope] | None, typer.Option(help="What for; repeatable. Unset: submit and read.")] = None,
    name: Annotated[str | None, typer.Option(help="What events call whoever uses it. Unset: its id.")] = None,
    expires: Annotated[str | None, typer.Option(help="After 90d, 12h or 30m, or at an RFC 3339 time.")] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(help="submit=N or read=N requests per minute, streams=N open ones; 0 is no limit; repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The key and what belongs to it as one JSON object.")] = False,
) -> None:
    """Make a key. It is shown this once, on standard output; only its hash is kept."""
    expires_ms, rates = _expires_ms(expires), _rates(rate or [])
    with _keys() as (ring, where):
        try:
            token, record = ring.create(
                tenant=tenant, scopes=scope or [Scope.SUBMIT, Scope.READ], name=name, expires_ms=expires_ms, rates=rates
            )
        except ValidationError as error:
            found = error.errors(include_url=False)[0]
            end(f"--{found['loc'][0]}: {found['msg'].removeprefix('Value error, ')}", Exit.USAGE)
    row = _row(token.key_id, record)
    say(json_line({"key": token.text, **row}) if as_json else token.text)
    tell(f"key {pairs(row)}; kept in {where}; it is not shown again")


@keys_cli.command()
def ls(as_json: Json = None) -> None:
    """Show the keys there are, without their secrets."""
    with _keys() as (ring, _):
        found = ring.all()
    if not found:
        end("no keys", Exit.FAILED)
    say_records([_row(key_id, record) for key_id, record in found.items()], as_json)


@keys_cli.command()
def revoke(
    key_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Ids of keys, as `ls` shows them.")],
    as_json: Json = None,
) -> None:
    """Make keys good for nothing, for ever."""
    missing = False
    with _keys() as (ring, _):
        for key_id in key_ids:
            changed = ring.revoke(key_id)
            missing = missing or not changed
            say_record({"id": key_id, "revoked": changed}, as_json)
    if missing:
        end("some of these are no keys", Exit.FAILED)
    tell(f"running API processes notice within {CACHE_S:.0f} s; open streams go on until they end")


@contextmanager
def _keys() -> Iterator[tuple[Keyring, str]]:
    """The keys, and in words where they are; what goes wrong becomes a sentence and an exit code."""
    settings = settings_with_redis()
    try:
        with _redis(settings) as url, keyring(url, settings.namespace) as ring:
            yield ring, local_redis.without_password(url)
    except InUse as error:
        end(str(error), Exit.USAGE)
    except Unavailable as error:
        end(str(error), Exit.UNREACHABLE)
    except (RedisError, OSError) as error:
        end(trouble(local_redis.redis_url(settings), error), Exit.UNREACHABLE)


@contextmanager
def _redis(settings: Settings) -> Iterator[str]:
    """
    The Redis of the settings, else the one of the data directory, which is started for as long as this lasts.

    So there can be a key before the first `stepstream up --host …`.
    """
    url = local_redis.redis_url(settings)
    if settings.redis_url or local_redis.running_server(settings.data_dir) or local_redis.answers(url):
        yield url
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # An `up` that began meanwhile would lose the server when it ends here.
    with Claim(settings.data_dir, "keys"):
        server = local_redis.ensure_server(settings.data_dir)
        try:
            yield server.url
        finally:
            server.stop()


def _row(key_id: str, record: KeyRecord) -> dict[str, Any]:
    rates = {short: value for short, name in RATES.items() if (value := asdict(record.rates)[name]) is not None}
    return {
        "id": key_id,
        "tenant": record.tenant,
        "scopes": sorted(record.scopes),
        "name": record.name,
        "created": _time(record.created_ms),
        "expires": _time(record.expires_ms),
        "rates": rates,
    }


def _time(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def _expires_ms(text: str | None) -> int | None:
    if text is None:
        return None
    now_ms = time.time_ns() // 1_000_000
    if after := re.fullmatch(r"([1-9]\d{0,6})([mhd])", text):
        return now_ms + int(after[1]) * UNITS_MS[after[2]]
    try:
        at_ms = parse_time(text)
    except ValueError as error:
        raise typer.BadParameter("write 90d, 12h, 30m or 2027-01-01T00:00:00Z", param_hint="--expires") from error
    if at_ms <= now_ms:
        raise typer.BadParameter("that has passed", param_hint="--expires")
    return at_ms


def _rates(texts: list[str]) -> Rates:
    found: dict[str, int] = {}
    for text in texts:
        match = re.fullmatch(r"(submit|read|streams)=(\d{1,8})", text)
        if match is None or int(match[2]) > RATE_MAX:
            raise typer.BadParameter(f"write submit=N, read=N or streams=N, N at most {RATE_MAX}", param_hint="--rate")
        found[RATES[match[1]]] = int(match[2])
    return Rates(**found)
