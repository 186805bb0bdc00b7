"""The users of `deploy/redis`: each may do what its process does, and nothing beyond."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from dramatiq.message import Message
from typer.testing import CliRunner

from app.cli.main import cli
from app.preflight.needs import API, BOTH, PLAIN, PUBLISHED, WORKER, Role, needed
from tests.deployment import free_port
from tests.redis_users import GuardedRedis, bundled_valkey, debian_redis, guarded_redis

ROOT = Path(__file__).parent.parent.parent
TAG = "{stepstream:0}"
CALLED = re.compile(r"(?:call|later)\('([A-Z]+)'(?:, '(GROUPS|CONSUMERS|CREATE|DELCONSUMER)')?")
ROLES: tuple[Role, ...] = ("api", "worker")

#: (user, command): what would be a way around keys, tenants, queues or the server itself.
DENIED = [
    ("api", f"HSET {TAG}:keys id record"),
    ("api", f"HDEL {TAG}:keys id"),
    ("api", f"XREADGROUP GROUP g c STREAMS {TAG}:q:writer >"),
    ("api", f"XACK {TAG}:q:writer g 0-1"),
    ("api", "GET another:application"),
    ("api", "XADD {stepstream-2:0}:q:writer * m x"),
    ("api", "SPUBLISH another x"),
    ("api", "SSUBSCRIBE {stepstream-2:0}:ev:x"),
    ("worker", f"HGET {TAG}:keys id"),
    ("worker", f"HGETALL {TAG}:keys"),
    ("worker", f"HSET {TAG}:keys id record"),
    ("worker", f"SET {TAG}:rate:x 0"),
    ("worker", f"SET {TAG}:idem:t:x 0"),
    ("worker", "GET another:application"),
    ("worker", "SPUBLISH another x"),
    ("operator", f"HSET {TAG}:t:x status completed"),
    ("operator", f"XREADGROUP GROUP g c STREAMS {TAG}:q:writer >"),
    ("operator", f"SPUBLISH {TAG}:ev:x x"),
    ("operator", f"ZREM {TAG}:open x"),
    ("operator", f"DEL {TAG}:open"),
    ("operator", "GET another:application"),
    ("operator", "FUNCTION DELETE stepstream_x"),
    ("operator", "CONFIG SET maxmemory-policy allkeys-lru"),
    ("metrics", f"GET {TAG}:docs:x"),
    ("metrics", f"HGETALL {TAG}:t:x"),
    ("metrics", f"HGETALL {TAG}:keys"),
    ("metrics", f"XRANGE {TAG}:q:writer - +"),
    ("metrics", f"XADD {TAG}:q:writer * m x"),
    ("metrics", "CONFIG GET *"),
    ("replica", f"GET {TAG}:docs:x"),
    ("sentinel", f"GET {TAG}:docs:x"),
    ("sentinel", "CONFIG SET maxmemory-policy allkeys-lru"),
]
#: Nobody but `admin`.
FORBIDDEN = (
    "ACL LIST", "ACL SETUSER api on", "CLIENT KILL ID 1", "CLIENT LIST", "CLIENT PAUSE 1000", "CONFIG SET save 1",
    "DEBUG SLEEP 1", "FLUSHALL", "FLUSHDB", "FUNCTION FLUSH", "KEYS *", "MONITOR", "REPLICAOF NO ONE", "SCRIPT FLUSH",
    "SHUTDOWN", "SUBSCRIBE x",
)  # fmt: skip
ALLOWED = [
    # What is looked at before they begin; without it that much is left unchecked.
    ("api", "INFO"),
    ("worker", "INFO"),
    ("operator", f"HSET {TAG}:keys id record"),
    ("operator", f"HGETALL {TAG}:t:x"),
    ("operator", "SCAN 0"),
    ("operator", "CONFIG GET save"),
    ("operator", "FUNCTION LIST"),
    ("metrics", "INFO"),
    ("metrics", f"XLEN {TAG}:q:writer"),
    ("metrics", f"XPENDING {TAG}:q:writer writer"),
    ("metrics", f"XINFO GROUPS {TAG}:q:writer"),
    ("metrics", f"ZCARD {TAG}:dlq:writer"),
    ("replica", "PSYNC ? -1"),
    ("sentinel", "SLAVEOF NO ONE"),
    ("sentinel", "PUBLISH __sentinel__:hello x"),
]


@pytest.fixture(scope="module", params=[debian_redis, bundled_valkey], ids=["redis", "valkey"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedRedis]:
    folder = tmp_path_factory.mktemp("guarded")
    with guarded_redis(request.param(), folder, free_port()) as server:
        yield server


@pytest.fixture(scope="module")
def admin(server: GuardedRedis) -> Iterator["redis.Redis"]:
    with server.client("admin") as client:
        yield client


def may(admin: "redis.Redis", user: str, *words: str) -> bool:
    """Whether the server would let that user do it."""
    reply = admin.execute_command("ACL", "DRYRUN", user, *words)
    return bool(reply == b"OK")


@pytest.mark.parametrize("role", ROLES)
def test_api_and_workers_may_do_all_that_they_do(admin: "redis.Redis", role: Role) -> None:
    """Every row of the table of needs."""
    assert [words for words in needed(role, TAG) if not may(admin, role, *words)] == []


@pytest.mark.parametrize(("user", "text"), ALLOWED, ids=lambda value: value.split(" ")[0])
def test_the_others_may_do_what_they_are_for(admin: "redis.Redis", user: str, text: str) -> None:
    """Keys for the operator, lengths for metrics, copies for replicas, promotion for sentinels."""
    assert may(admin, user, *text.split())


@pytest.mark.parametrize(("user", "text"), DENIED, ids=lambda value: value.split(" ")[0])
def test_nobody_may_do_more(admin: "redis.Redis", user: str, text: str) -> None:
    """Not what would lead around API keys, queues, the namespace or the server."""
    assert not may(admin, user, *text.split())


def test_only_the_administrator_rules_the_server(admin: "redis.Redis") -> None:
    """And nobody comes in without a name."""
    users = ("api", "worker", "operator", "metrics", "replica")
    assert [(user, text) for user in users for text in FORBIDDEN if may(admin, user, *text.split())] == []
    assert all(may(admin, "admin", *text.split()) for text in FORBIDDEN)


def test_nobody_comes_in_without_a_password(server: GuardedRedis) -> None:
    """The default user is off, and a wrong password is one."""
    for url in (f"redis://127.0.0.1:{server.port}/0", f"redis://api:wrong@127.0.0.1:{server.port}/0"):
        with redis.Redis.from_url(url, protocol=2) as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_the_shipped_configuration_keeps_everything(admin: "redis.Redis") -> None:
    """Nothing is evicted, all is written to disk, memory and slow subscribers have a limit."""
    wanted = {
        "maxmemory-policy": "noeviction",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "maxmemory": str(1 << 30),
        "protected-mode": "no",
    }
    assert {name: admin.config_get(name)[name] for name in wanted} == wanted
    assert "pubsub 67108864 16777216 60" in admin.config_get("client-output-buffer-limit")["client-output-buffer-limit"]


def test_the_table_of_needs_knows_every_command_of_the_scripts() -> None:
    """A command that a script calls and the table lacks would be refused in the middle of it."""
    known = {
        "|".join(word.lower() for word in words[:2]) if words[0] in ("XINFO", "XGROUP", "SCRIPT") else words[0].lower()
        for role in ROLES
        for words in needed(role, TAG)
    }
    called = set()
    for path in sorted((ROOT / "app").rglob("*.lua")):
        # What the broker's `flush` does, no process of this program does.
        if path.name != "flush.lua":
            called |= set(
                re.findall(
                    r"(?:call|later)\('([A-Z]+)'(?:, '(GROUPS|CONSUMERS|CREATE|DELCONSUMER)')?", path.read_text()
                )
            )
    assert {"|".join(filter(None, words)).lower() for words in called} - known == set()


def test_the_table_of_needs_knows_every_kind_of_key() -> None:
    """Those of the two tables of keys: what is not in it would be in no user's rules."""
    kinds = set()
    for name in ("app/keys.py", "app/broker/keys.py"):
        kinds |= set(re.findall(r"^\| T:(\w+)", (ROOT / name).read_text(), re.MULTILINE))
    known = {re.match(r"\w+", kind)[0] for kind in (*BOTH, *API, *WORKER, *PUBLISHED)}  # type: ignore[index]
    assert kinds - known == set()
    assert all(PLAIN.values())


def test_the_doctor_may_look_at_everything_as_operator(server: GuardedRedis, tmp_path: Path) -> None:
    """Nothing is left out for want of a permission, and a server that runs with what is shipped is sound."""
    told = {"STEPSTREAM_URL": "", "STEPSTREAM_REDIS_URL": server.url("operator"), "STEPSTREAM_DATA_DIR": str(tmp_path)}
    result = CliRunner().invoke(cli, ["doctor", "--json"], env=told)
    rows = [json.loads(line) for line in result.stdout.splitlines()]

    assert [row for row in rows if row["status"] != "ok" and row["check"] not in ("workers", "api")] == []
    assert result.exit_code == 0
    assert server.denied() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["queues"], ["queues", "pause", "writer"], ["queues", "resume", "writer"], ["dlq", "ls", "writer"],
        ["dlq", "requeue", "writer", "m1"], ["dlq", "purge", "writer", "--all"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_the_operator_looks_after_queues(
    server: GuardedRedis, admin: "redis.Redis", tmp_path: Path, arguments: list[str]
) -> None:
    """Depths, pauses, dead letters: what the command line asks of Redis itself."""
    message = Message(queue_name="writer", actor_name="writer", args=(), kwargs={}, options={}, message_id="m1")
    meta = {"reason": "retries", "error": "no", "level": 1, "deliveries": 1, "history": [], "died_at": 1}
    admin.sadd(f"{TAG}:queues", "writer")
    admin.hset(f"{TAG}:dlq:writer:m", "m1", message.encode())
    admin.hset(f"{TAG}:dlq:writer:x", "m1", json.dumps(meta))
    admin.zadd(f"{TAG}:dlq:writer", {"m1": time.time() * 1000})
    if "resume" in arguments:
        admin.sadd(f"{TAG}:paused", "writer")

    told = {"STEPSTREAM_REDIS_URL": server.url("operator"), "STEPSTREAM_DATA_DIR": str(tmp_path)}
    done = CliRunner().invoke(cli, arguments, env=told)

    assert done.exit_code == 0, done.output
    assert server.denied() == []


@pytest.mark.parametrize("command", ["queues pause writer", "keys ls"])
def test_who_may_not_is_told_so(server: GuardedRedis, admin: "redis.Redis", tmp_path: Path, command: str) -> None:
    """A Redis that answers is not said to be away."""
    told = {"STEPSTREAM_REDIS_URL": server.url("metrics"), "STEPSTREAM_DATA_DIR": str(tmp_path)}
    done = CliRunner().invoke(cli, command.split(), env=told)
    admin.execute_command("ACL", "LOG", "RESET")

    assert done.exit_code == 3
    assert f"Redis at redis://127.0.0.1:{server.port}/0 refuses: " in done.stderr
    assert "permission" in done.stderr


def test_the_table_of_needs_knows_every_command_of_the_program() -> None:
    """Those that Python sends by the driver's methods, in what API and workers are made of."""
    called: set[str] = set()
    for folder in ("access", "api", "dispatch", "events", "metrics"):
        for path in sorted((ROOT / "app" / folder).rglob("*.py")):
            # The keyring is the operator's.
            if path.name != "keyring.py":
                called |= set(re.findall(r"\b_?(?:redis|client|pipeline|pipe)\.([a-z]+)\(", path.read_text()))
    known = {words[0].lower() for role in ROLES for words in needed(role, TAG)} | {"info"}
    no_commands = {"aclose", "close", "execute", "pipeline", "pubsub"}
    sent = {name for name in called if hasattr(redis.Redis, name)} - no_commands

    assert {"zcard", "hmget", "xrange", "set"} <= sent
    assert sent - known == set()
