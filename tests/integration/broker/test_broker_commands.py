"""`stepstream queues` and `stepstream dlq`."""

import json
from typing import Any

import dramatiq
import pytest
import redis
from typer.testing import CliRunner

from app.broker import RedisStreamsBroker
from app.cli.queues import dlq_cli, queues_cli
from tests.integration.broker.conftest import MakeBroker, fetch


@pytest.fixture(autouse=True)
def environment(redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEPSTREAM_REDIS_URL", redis_url)
    monkeypatch.setenv("STEPSTREAM_NAMESPACE", namespace)


def run(cli: Any, *args: str) -> tuple[int, list[Any], str]:
    """Exit code, the lines of standard output (read as JSON where asked for, else as on a terminal), standard error."""
    result = CliRunner().invoke(cli, args if "--json" in args else [*args, "--no-json"])
    lines = result.stdout.splitlines()
    return result.exit_code, [json.loads(line) for line in lines] if "--json" in args else lines, result.stderr


def bury(broker: RedisStreamsBroker, error: str, actor: str = "doomed") -> str:
    declared = broker.actors.get(actor) or dramatiq.actor(lambda: None, actor_name=actor, broker=broker)
    sent = declared.send()
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = fetch(consumer)
    message.stuff_exception(RuntimeError(error))
    consumer.nack(message)
    consumer.close()
    return str(sent.message_id)


def test_queues_are_shown_paused_and_resumed(broker: RedisStreamsBroker) -> None:
    """Depths per queue; a second pause changes nothing and says so by its exit code."""
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()

    assert run(queues_cli, "pause", "default", "--json") == (
        0, [{"queue": "default", "paused": True, "changed": True}], "",
    )  # fmt: skip
    assert run(queues_cli, "pause", "default")[0] == 1
    code, rows, _ = run(queues_cli, "--json")
    assert code == 0
    assert [(row["queue"], row["waiting"], row["paused"]) for row in rows] == [("default", 1, True)]
    assert run(queues_cli, "resume", "default")[0] == 0
    assert "paused=no" in run(queues_cli)[1][0]


def test_a_queue_by_a_wrong_name_is_not_paused(broker: RedisStreamsBroker) -> None:
    """Nothing would ever be held back by it: exit code 1, and the names that there are."""
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()

    for command in ("pause", "resume"):
        code, lines, said = run(queues_cli, command, "defualt")
        assert (code, lines) == (1, [])
        assert said.startswith("there is no queue 'defualt'; known: analyzer, default,")
    assert run(queues_cli, "pause", "writer")[0] == 0, "the queue of an agent that no worker has served yet"
    assert not broker.admin.knows("defualt")


@pytest.mark.parametrize(
    "args",
    [("ls",), ("requeue", "--all"), ("requeue", "some-id"), ("purge", "--all"), ("purge", "--older-than", "1s")],
    ids=" ".join,
)
def test_a_queue_by_a_wrong_name_is_not_said_to_have_no_dead_letters(
    broker: RedisStreamsBroker, args: tuple[str, ...]
) -> None:
    """Who looks in the wrong place would take it for good news."""
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()

    code, rows, said = run(dlq_cli, args[0], "defualt", *args[1:])
    assert (code, rows) == (1, [])
    assert said.startswith("there is no queue 'defualt'; known: analyzer, default,")
    assert "there is no queue" not in run(dlq_cli, args[0], "default", *args[1:])[2]


def test_a_queue_with_nothing_in_it_has_no_dead_letters() -> None:
    """Also that of an agent which no worker has served yet."""
    assert run(dlq_cli, "ls", "writer") == (1, [], "no dead letters\n")


def test_without_queues_there_is_nothing_to_show() -> None:
    """An empty answer is exit code 1."""
    assert run(queues_cli)[0] == 1


def test_dead_letters_are_shown_without_control_characters(broker: RedisStreamsBroker) -> None:
    """An error text cannot move the cursor of who reads it."""
    bury(broker, "\x1b[2Jgone\nand gone")

    code, lines, _ = run(dlq_cli, "ls", "default")
    _, rows, _ = run(dlq_cli, "ls", "default", "--json")

    assert code == 0
    assert len(lines) == 1
    assert "\x1b" not in lines[0]
    assert "actor=doomed  reason=failed  error=RuntimeError: [2Jgone and gone" in lines[0]
    assert rows[0]["error"] == "RuntimeError: \x1b[2Jgone\nand gone"


def test_dead_letters_are_put_back_and_purged(broker: RedisStreamsBroker) -> None:
    """By id, by filter, by age and all; what changes nothing is exit code 1."""
    first = bury(broker, "first")
    bury(broker, "second", actor="other")
    bury(broker, "third")

    assert run(dlq_cli, "requeue", "default", first, "--json")[:2] == (
        0, [{"queue": "default", "requeued": 1, "changed": True}],
    )  # fmt: skip
    assert run(dlq_cli, "requeue", "default", first)[0] == 1
    assert run(dlq_cli, "requeue", "default", "--actor", "other")[0] == 0
    assert run(dlq_cli, "purge", "default", "--older-than", "1h")[0] == 1
    assert run(dlq_cli, "purge", "default", "--all")[0] == 0
    assert run(dlq_cli, "ls", "default")[0] == 1
    assert broker.admin.stats("default").waiting == 2


def test_queues_of_one_stream_are_seen_and_fed_in_it(make_broker: MakeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the layout `single` the commands count and put back where the workers read."""
    monkeypatch.setenv("STEPSTREAM_LAYOUT", "single")
    broker = make_broker(layout="single")
    letter = bury(broker, "once")

    assert run(dlq_cli, "requeue", "default", letter)[0] == 0
    _, rows, _ = run(queues_cli, "--json")

    assert [(row["queue"], row["waiting"], row["dead"]) for row in rows] == [("default", 1, 0)]
    assert fetch(broker.consume("default", prefetch=1, timeout=50)).message_id == letter


def test_the_letter_of_a_failed_step_is_not_put_back(broker: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """Its step is settled, so a delivery would be dropped and the letter lost: it stays, and the way to go is told."""
    letter = bury(broker, "no")
    other = bury(broker, "other")
    names = broker.keys.queue("default")
    redis_client.hset(names.dlq_meta, letter, '{"reason":"step failed"}')

    code, rows, said = run(dlq_cli, "requeue", "default", letter, "--json")
    assert (code, rows) == (1, [{"queue": "default", "requeued": 0, "changed": False}])
    assert "stepstream tasks retry" in said
    assert run(dlq_cli, "requeue", "default", "--all", "--json")[1][0]["requeued"] == 1
    assert [row["id"] for row in run(dlq_cli, "ls", "default", "--json")[1]] == [letter] != [other]


@pytest.mark.parametrize(
    "args",
    [
        ("requeue", "default"), ("purge", "default"), ("purge", "default", "--older-than", "soon"), ("ls",),
        ("requeue", "default", "some-id", "--all"), ("purge", "default", "some-id", "--all"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_commands_that_could_mean_too_much_are_refused(args: tuple[str, ...]) -> None:
    """Nothing is put back or thrown away by an incomplete command: usage, exit code 2."""
    assert run(dlq_cli, *args)[0] == 2


def test_an_unreachable_redis_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3, one line."""
    monkeypatch.setenv("STEPSTREAM_REDIS_URL", "redis://127.0.0.1:1/0")

    code, lines, said = run(queues_cli)

    assert (code, lines) == (3, [])
    assert len(said.splitlines()) == 1
