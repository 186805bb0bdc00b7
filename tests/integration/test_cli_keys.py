"""`stepstream keys`, and where an API may listen."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from typer.testing import CliRunner, Result

from app import local_redis
from app.access.token import parse_token
from app.cli.doors import DoorOpen, address, require_key
from app.cli.main import cli
from app.keys import Keys
from tests.redis_users import as_user

Run = Callable[..., Result]


@pytest.fixture
def run(redis_url: str, namespace: str, tmp_path: Path) -> Run:
    """The command in this process, on the Redis of the tests."""
    clean = {name: None for name in os.environ if name.startswith(("STEPSTREAM_", "REDIS_"))}
    environment = clean | {
        "STEPSTREAM_REDIS_URL": as_user(redis_url, "operator"),
        "STEPSTREAM_NAMESPACE": namespace,
        "STEPSTREAM_DATA_DIR": str(tmp_path / "data"),
    }

    def run(*arguments: str, **changes: str | None) -> Result:
        # As on a terminal, unless JSON is asked for; a key itself is the same for both.
        form = [] if "--json" in arguments or arguments[0] == "create" else ["--no-json"]
        return CliRunner().invoke(cli, ["keys", *arguments, *form], env=environment | changes)

    return run


def test_a_key_is_shown_once_and_only_its_hash_is_kept(run: Run, redis_client: "redis.Redis", namespace: str) -> None:
    """Standard output has the key and nothing else; Redis and lists have everything else."""
    made = run("create", "--tenant", "acme", "--scope", "read", "--name", "ci", "--expires", "1d", "--rate", "read=9")
    listed = run("ls", "--json")
    token = parse_token(made.stdout.strip())
    kept = redis_client.hgetall(Keys(namespace).api_keys)

    assert made.exit_code == 0
    assert token is not None
    assert "not shown again" in made.stderr
    assert token.text not in made.stderr + listed.output + repr(kept)
    [row] = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (row["id"], row["tenant"], row["scopes"], row["name"]) == (token.key_id, "acme", ["read"], "ci")
    assert row["rates"] == {"read": 9}
    assert redis_client.ttl(Keys(namespace).api_keys) == -1


def test_keys_for_programs_are_one_json_object(run: Run) -> None:
    """With the key in it, by the default tenant, scopes and name."""
    made = json.loads(run("create", "--json").stdout)

    assert parse_token(made["key"]) is not None
    assert (made["tenant"], made["scopes"], made["name"]) == ("default", ["read", "submit"], made["id"])
    assert made["expires"] is None


def test_a_revoked_key_is_gone(run: Run) -> None:
    """1 says that there was none of that name; the others are revoked all the same."""
    key_id = json.loads(run("create", "--json").stdout)["id"]

    first, second = run("revoke", "nobody", key_id), run("revoke", key_id)

    assert (first.exit_code, second.exit_code) == (1, 1)
    assert first.stdout.splitlines() == ["id=nobody  revoked=no", f"id={key_id}  revoked=yes"]
    assert (run("ls").exit_code, run("ls").stdout) == (1, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tenant", "A:b"],
        ["--name", "a\nb"],
        ["--scope", "root"],
        ["--expires", "soon"],
        ["--expires", "2020-01-01T00:00:00Z"],
        ["--rate", "read=-1"],
        ["--rate", "all=1"],
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(run: Run, arguments: list[str]) -> None:
    """Exit code 2, and no key is made."""
    refused = run("create", *arguments)

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr
    assert run("ls").exit_code == 1


def test_without_redis_there_are_no_keys(run: Run) -> None:
    """3, and a password of the address is not told."""
    away = run("ls", STEPSTREAM_REDIS_URL="redis://user:canary@127.0.0.1:1/0")
    none = run("ls", STEPSTREAM_REDIS_URL="nonsense://canary")

    assert (away.exit_code, none.exit_code) == (3, 2)
    assert "canary" not in away.output + none.output


def test_a_key_can_be_made_before_anything_runs(run: Run, tmp_path: Path) -> None:
    """The server of the data directory is started for it and ends with it; what it was told is kept."""
    if local_redis.find_binary() is None:
        pytest.skip("no Redis server binary")
    # Nothing listens there, as little as at the usual address of a machine without Redis.
    if local_redis.answers(local_redis.DEFAULT_URL):
        pytest.skip("a Redis runs at the usual address")
    made = run("create", "--name", "first", STEPSTREAM_REDIS_URL=None)

    assert made.exit_code == 0, made.stderr
    assert local_redis.running_server(tmp_path / "data") is None
    assert "name=first" in run("ls", STEPSTREAM_REDIS_URL=None).stdout


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "api.example"])
def test_the_api_listens_nowhere_else_without_a_key(run: Run, redis_url: str, namespace: str, host: str) -> None:
    """An expired key is none; any valid one will do. Loopback addresses need none."""
    run("create", "--expires", "1m")
    ring = redis.Redis.from_url(redis_url, protocol=2)
    record = json.loads(ring.hvals(Keys(namespace).api_keys)[0]) | {"expires_ms": int(time.time() * 1000) - 1}
    ring.hset(Keys(namespace).api_keys, "old", json.dumps(record))
    [key_id] = [key for key in ring.hkeys(Keys(namespace).api_keys) if key != b"old"]

    require_key(host, redis_url, namespace)
    ring.hdel(Keys(namespace).api_keys, key_id)
    with pytest.raises(DoorOpen, match="stepstream keys create"):
        require_key(host, redis_url, namespace)
    for ours in ("127.0.0.1", "localhost", "::1"):
        require_key(ours, redis_url, namespace)
    ring.close()


def test_a_redis_that_is_away_is_no_reason_not_to_start() -> None:
    """Every request is refused until it is back, so nothing is open."""
    require_key("0.0.0.0", "redis://127.0.0.1:1", "nowhere")


def test_the_command_refuses_with_one_line_and_code_2(run: Run, redis_url: str, namespace: str) -> None:
    """And says what to do."""
    environment = {"STEPSTREAM_REDIS_URL": as_user(redis_url, "operator"), "STEPSTREAM_NAMESPACE": namespace}

    refused = CliRunner().invoke(cli, ["api", "--host", "0.0.0.0"], env=environment)

    assert refused.exit_code == 2
    assert refused.stderr == (
        "0.0.0.0 is open to other machines and there is no key: make one with `stepstream keys create`, "
        "or listen on 127.0.0.1.\n"
    )


def test_an_api_on_all_addresses_is_found_at_this_machines_own() -> None:
    """`up` and its clients talk to it there."""
    assert address("0.0.0.0", 1) == "http://127.0.0.1:1"
    assert address("::", 1) == "http://[::1]:1"
    assert address("10.0.0.1", 1) == "http://10.0.0.1:1"
