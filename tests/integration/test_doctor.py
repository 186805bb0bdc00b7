"""`stepstream doctor`: each thing that can be wrong is made wrong on a real Redis, and must be found."""

import json
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from app import keys as task_keys
from app import local_redis
from app.access.keyring import Keyring
from app.access.principal import Scope
from app.broker import keys as broker_keys
from app.cli.doctor import access, leaks, model, queues, searching, server, tasks
from app.cli.doctor.examine import examine
from app.cli.doctor.place import Place
from app.cli.main import cli
from app.config import Settings
from app.dispatch.record import STEP_STATE, state_line
from app.preflight import server as kept
from app.preflight.finding import Finding
from tests.unit.scripted_server import Answer, say, serving

TASK = "0-01a214e6-0ca5-7351-a64d-a68e150c84ef"
HOUR_MS = 3_600_000
Check = Callable[[Place], Iterator[Finding]]


@pytest.fixture
def place(redis_client: "redis.Redis", redis_url: str, namespace: str) -> Place:
    """The Redis of the tests, with nothing in it yet."""
    return Place(redis_client, redis_url, Settings(redis_url=redis_url, namespace=namespace, lease_ms=500))


@pytest.fixture(scope="module")
def spoiled() -> Iterator["redis.Redis"]:
    """A server of our own that may be configured badly."""
    binary = local_redis.find_binary()
    if binary is None:
        pytest.skip("no Redis server binary")
    home = Path(tempfile.mkdtemp(prefix="stepstream-doctor-"))
    running = local_redis.start_server(binary, home)
    with redis.Redis.from_url(running.url, protocol=2) as client:
        yield client
    running.stop()
    shutil.rmtree(home, ignore_errors=True)


def look(check: Check, place: Place) -> list[str]:
    """What a check finds anew, as `status: said`."""
    fresh = Place(place.client, place.url_shown, place.settings)
    return [f"{finding.status}: {finding.said}" for finding in check(fresh)]


def configured(client: "redis.Redis", check: Check, **settings: str) -> list[str]:
    """What a check finds on a server that is configured like that, which it is not any more afterwards."""
    names = {name.replace("_", "-"): value for name, value in settings.items()}
    before = {name: client.config_get(name)[name] for name in names}
    try:
        for name, value in names.items():
            client.config_set(name, value)
        return look(check, Place(client, "here", Settings()))
    finally:
        for name, value in before.items():
            client.config_set(name, value)


def test_a_server_that_keeps_everything_is_sound(spoiled: "redis.Redis") -> None:
    """As `up` starts it."""
    place = Place(spoiled, "here", Settings())
    said = [line for check in (server.version, server.role, kept.persistence, kept.memory, kept.clock)
            for line in look(check, place)]  # fmt: skip

    assert re.match(r"ok: (Valkey|Redis) [0-9.]+ at here, up ", said[0])
    assert [line for line in said if not line.startswith("ok: ")] == []
    assert "ok: append-only file, appendfsync everysec" in said


@pytest.mark.parametrize(
    ("check", "settings", "found"),
    [
        (kept.persistence, {"appendonly": "no", "save": ""}, "fail: nothing is written to disk"),
        (kept.persistence, {"appendonly": "no", "save": "60 1"}, "warn: snapshots only"),
        (kept.persistence, {"appendfsync": "no"}, "warn: append-only file, but"),
        (kept.memory, {"maxmemory_policy": "allkeys-lru"}, "warn: maxmemory-policy is allkeys-lru"),
        (kept.memory, {"maxmemory_policy": "volatile-ttl", "maxmemory": "1gb"}, "fail: maxmemory-policy is"),
        (kept.memory, {"maxmemory": "1mb"}, "fail: "),
        (server.role, {"replicaof": "127.0.0.1 1"}, "fail: this server is a slave, it takes no writes"),
    ],
    ids=["memory only", "snapshots", "lazy fsync", "eviction", "eviction with a limit", "full", "replica"],
)  # fmt: skip
def test_a_server_that_breaks_a_promise_is_found(
    spoiled: "redis.Redis", check: Check, settings: dict[str, str], found: str
) -> None:
    """One line, and what to do about it."""
    if "replicaof" in settings:
        spoiled.replicaof("127.0.0.1", "1")
        said = look(check, Place(spoiled, "here", Settings()))
        spoiled.replicaof("NO", "ONE")
    else:
        said = configured(spoiled, check, **settings)

    assert [line for line in said if line.startswith(found)], said


def test_evicted_keys_are_told_of(spoiled: "redis.Redis") -> None:
    """Also when the policy has been mended since."""
    used = spoiled.info("memory")["used_memory"]
    with_limit = {"maxmemory_policy": "allkeys-random", "maxmemory": str(used + 200_000)}

    def fill(_: Place) -> Iterator[Finding]:
        for number in range(400):
            spoiled.set(f"filler:{number}", b"x" * 4096)
        return iter(())

    configured(spoiled, fill, **with_limit)
    said = look(kept.memory, Place(spoiled, "here", Settings()))
    spoiled.flushall()
    spoiled.config_resetstat()

    assert re.match(r"warn: [\d,]+ keys were evicted", said[0])


def test_libraries_of_other_versions_are_listed(spoiled: "redis.Redis") -> None:
    """With the command that deletes them."""
    spoiled.function_load("#!lua name=stepstream_0ld\nredis.register_function('stepstream_0ld_f', function() end)")
    found = list(server.functions(Place(spoiled, "here", Settings())))
    spoiled.function_delete("stepstream_0ld")

    assert [(finding.status, finding.said) for finding in found] == [("warn", "1 library of other versions loaded")]
    assert "FUNCTION DELETE stepstream_0ld" in found[0].advice


def test_a_user_who_may_not_ask_is_told_what_to_allow(spoiled: "redis.Redis") -> None:
    """Checks that are forbidden say so; the others go on."""
    spoiled.acl_setuser("watcher", enabled=True, passwords=["+secret"], keys=["*"], commands=["+ping", "+time"])
    url = spoiled.connection_pool.connection_kwargs["path"]
    settings = Settings(redis_url=f"unix://watcher:secret@{url}")
    found = {finding.check: finding.status for finding in examine(settings, "http://127.0.0.1:1")}
    spoiled.acl_deluser("watcher")

    assert (found["clock"], found["redis"], found["queues"], found["api"]) == ("ok", "warn", "warn", "fail")


def test_clocks_that_disagree_are_found() -> None:
    """A difference within the blur of its measurement is none."""
    found = [kept.compared("clock", "Redis", ahead_ms, 1_000.0) for ahead_ms in (900, -2_900, 3_100, -70_000)]

    assert [finding.status for finding in found] == ["ok", "ok", "warn", "fail"]
    assert found[3].said == "Redis is 69.0 s behind this machine"


def test_work_that_nobody_does_is_found(place: Place) -> None:
    """No worker at all, nobody at this queue, an old message, a pause."""
    keys = place.queue_keys("writer")
    assert look(queues.workers, place) == ["warn: nobody works"]
    place.client.sadd(place.shard.queues, "writer")
    place.client.xadd(keys.stream(), {"m": "{}"}, id="1-1")

    assert look(queues.workers, place) == ["fail: nobody works, and there is work: 1 message"]
    assert look(queues.queues, place)[1:] == ["fail: nobody reads writer, waiting: 1 message"]
    assert look(queues.groups, place) == [f"warn: the stream {keys.stream()} has no consumer group 'writer'"]
    _report_worker(place, "writer")
    assert look(queues.workers, place)[0] == "ok: 1 alive, 2 threads, 0 batches in hand"
    assert re.match("warn: the oldest message in writer has waited for ", look(queues.queues, place)[1])
    place.client.sadd(place.shard.paused, "writer")
    assert look(queues.queues, place)[1] == "warn: writer is paused, waiting: 1 message"


def test_a_worker_that_went_silent_is_named(place: Place) -> None:
    """Killed, most likely: one that ends signs off."""
    place.client.zadd(place.shard.workers, {"host:1:ab": place.now_ms - 90_000})

    assert look(queues.workers, place)[1] == "warn: host:1:ab went silent 1m30s ago without signing off"


def test_an_entry_that_was_left_alone_is_found(place: Place) -> None:
    """Given out, not renewed for three leases, taken over by nobody."""
    keys = place.queue_keys("writer")
    place.client.sadd(place.shard.queues, "writer")
    place.client.xgroup_create(keys.stream(), keys.group, "0", mkstream=True)
    entry = place.client.xadd(keys.stream(), {"m": "{}"})
    place.client.xreadgroup(keys.group, "dead", {keys.stream(): ">"})
    assert look(queues.pending, place) == ["ok: no entry was left alone for 1s"]
    place.client.xclaim(keys.stream(), keys.group, "dead", 0, [entry], idle=HOUR_MS)

    [said] = look(queues.pending, place)
    assert said.startswith("fail: 1 entry of writer with workers that show no sign of life")
    assert said.endswith(f"{entry.decode()} with dead for 1h0m")


def test_late_delays_and_dead_letters_are_found(place: Place) -> None:
    """By queue."""
    keys = place.queue_keys("writer")
    place.client.sadd(place.shard.queues, "writer")
    place.client.zadd(keys.due, {"1|m|1": place.now_ms - 70_000})
    place.client.zadd(keys.dlq, {"m": place.now_ms})

    assert look(queues.delays, place) == ["fail: a delayed message of writer is 1m10s late"]
    assert look(queues.dead_letters, place) == ["warn: 1 in writer"]


def _report_worker(place: Place, *names: str) -> None:
    now_ms = int(time.time() * 1000)
    place.client.zadd(place.shard.workers, {"host:2:cd": now_ms})
    about: dict[Any, Any] = {"host": "host", "pid": 2, "threads": 2, "queues": ",".join(names), "in_flight": 0}
    place.client.hset(place.shard.worker("host:2:cd"), mapping=about)


def _open_task(place: Place, task_id: str, status: str, state: str, **members: int | str) -> None:
    line = dict(zip(STEP_STATE, state_line(state, 0).split("|"), strict=True)) | {k: str(v) for k, v in members.items()}
    place.client.zadd(place.keys.open, {task_id: 1})
    place.client.hset(place.keys.task(task_id), mapping={
        "status": status, "ids": "1", "s:1": "|".join(line.values()), "p:1": "noop|noop|8|1000|fail|0|noop||",
    })  # fmt: skip


def test_stuck_tasks_are_found_and_sound_ones_are_not(place: Place) -> None:
    """Steps beyond their time, on a dead worker, without a message; tasks that nothing moves, or that are gone."""
    ids = [TASK.replace("0-01", f"{n}-01") for n in range(8)]
    _report_worker(place)
    now_ms = place.now_ms
    _open_task(place, ids[0], "running", "running", started=now_ms - HOUR_MS, worker="host:2:cd")
    _open_task(place, ids[1], "running", "running", started=now_ms - 122_900, worker="gone")
    _open_task(place, ids[2], "running", "waiting")
    place.client.zadd(place.keys.open, {ids[3]: 1})
    _open_task(place, ids[4], "paused", "waiting")
    _open_task(place, ids[5], "queued", "queued", queued=now_ms)
    _open_task(place, ids[7], "queued", "queued", queued=now_ms - HOUR_MS)
    _open_task(place, ids[6], "running", "running", started=now_ms, worker="gone")

    said = look(tasks.open_tasks, place)

    assert said == [
        f"fail: {ids[0]}: step 1 runs for 1h0m, and its time was 1s",
        f"fail: {ids[1]}: step 1 runs for 2m2s, and its time was 1s",
        f"fail: {ids[2]}: none of its steps is under way",
        f"fail: {ids[3]}: it is listed as open and does not exist",
        f"fail: {ids[7]}: step 1 is queued for 1h0m, and noop is empty",
    ]


def test_terms_and_the_audit_are_looked_at(place: Place) -> None:
    """Deadlines and retention that nobody sees to; what had to be repaired."""
    assert look(tasks.terms, place) == ["ok: deadlines and retention hold"]
    assert look(tasks.audit, place) == ["ok: nothing ever had to be repaired"]
    place.client.zadd(place.keys.deadlines, {TASK: place.now_ms - HOUR_MS})
    place.client.zadd(place.keys.expiry, {TASK: place.now_ms - 3 * HOUR_MS})
    place.client.hset(place.keys.audit, "repaired", 3)

    assert look(tasks.terms, place) == [
        "fail: 1 task is past the deadline and still open", "warn: 1 task is kept beyond the retention",
    ]  # fmt: skip
    assert look(tasks.audit, place) == ["warn: 3 repairs were needed so far"]


def test_keys_that_never_go_away_are_found(place: Place) -> None:
    """Keys of a task that is not open, forgotten documents, strange ones; not those that have an expiry or a use."""
    tag, digest = place.keys.tag, "a" * 64
    open_task = TASK.replace("0-01", "1-01")
    place.client.zadd(place.keys.open, {open_task: 1})
    for name in (f"t:{TASK}", f"ev:{open_task}", f"docs:{digest}", "rate:x", "t:expires"):
        place.client.set(f"{tag}:{name}", 1)
    place.client.pexpire(f"{tag}:t:expires", HOUR_MS)

    [said] = look(leaks.leaks, place)
    assert said.startswith("warn: 3 keys will never expire: ")
    assert set(said.partition("expire: ")[2].split(", ")) == {
        f"{tag}:t:{TASK}",
        f"{tag}:docs:{digest}",
        f"{tag}:rate:x",
    }
    place.client.set(f"{tag}:docs:{digest}:tasks", 1)
    place.client.delete(f"{tag}:t:{TASK}", f"{tag}:rate:x")
    assert look(leaks.leaks, place) == ["ok: every one of 5 keys lasts, drains or expires"]


def test_what_may_last_is_what_the_tables_of_keys_say() -> None:
    """Every row without an expiry, and no other."""
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")]
        for module in (task_keys, broker_keys)
        for line in (module.__doc__ or "").splitlines()
        if line.startswith("| T:") and "channel" not in line
    ]
    lasting = ("never", "MAXLEN", "7 days", "with the zset", "10 minutes, each")
    assert len(rows) > 30
    for name, *_, expires in rows:
        part = re.sub("<[a-z0-9]+>", "x", name.removeprefix("T:").partition(",")[0]).replace("…", "x")
        assert bool(leaks.LASTING.fullmatch(part)) == expires.startswith(lasting), name


def test_keys_of_the_api_are_looked_at(place: Place) -> None:
    """None is fine on this machine only; one that ends soon is told of."""
    keyring = Keyring(place.client, place.keys)
    abroad = Place(place.client, "here", place.settings.model_copy(update={"api_host": "0.0.0.0"}))
    assert look(access.keys, place) == ["ok: none: the API serves this machine only"]
    assert look(access.keys, abroad)[0].startswith("fail: none is valid")
    keyring.create(tenant="default", scopes=[Scope.READ], name="ci", expires_ms=int(time.time() * 1000) + HOUR_MS)

    first, second = look(access.keys, abroad)
    assert first == "ok: 1 valid"
    assert second.endswith("(ci) expires soon")


def doctor(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["doctor", *arguments], env={"STEPSTREAM_URL": "", **environment})


def test_the_command_tells_all_and_fails_when_something_does(redis_url: str, namespace: str, tmp_path: Path) -> None:
    """For people a line each and one with what to do; for programs an object each. Exit code 1 on a fail."""
    here = {"STEPSTREAM_REDIS_URL": redis_url, "STEPSTREAM_NAMESPACE": namespace, "STEPSTREAM_DATA_DIR": str(tmp_path)}
    for_people = doctor(**here)
    rows = [json.loads(line) for line in doctor("--json", **here).stdout.splitlines()]

    # The Redis of the tests keeps nothing.
    assert for_people.exit_code == 1
    assert "\nfail  persistence   nothing is written to disk: a restart of Redis" in for_people.stdout
    assert "\n                    -> set `appendonly yes` and `appendfsync everysec`\n" in for_people.stdout
    assert [row["check"] for row in rows if row["status"] == "fail"] == ["persistence"]
    assert {row["check"] for row in rows} >= {"settings", "redis", "clock", "queues", "tasks", "leaks", "keys", "api"}
    assert all(row["advice"] for row in rows if row["status"] != "ok")


def test_without_redis_the_doctor_says_so_and_looks_at_the_rest(tmp_path: Path) -> None:
    """It does not stop at the first door."""
    result = doctor(STEPSTREAM_REDIS_URL="redis://:secret@127.0.0.1:1/0", STEPSTREAM_DATA_DIR=str(tmp_path))

    assert result.exit_code == 1
    assert "fail  redis         none answers at redis://127.0.0.1:1/0" in result.stdout
    assert "secret" not in result.output
    assert "warn  api           none runs here" in result.stdout


def test_a_sound_installation_has_nothing_to_say(spoiled: "redis.Redis", tmp_path: Path) -> None:
    """Without a fail the exit code is 0."""
    path = spoiled.connection_pool.connection_kwargs["path"]
    result = doctor(STEPSTREAM_REDIS_URL=f"unix://{path}", STEPSTREAM_DATA_DIR=str(tmp_path))

    assert result.exit_code == 0, result.stdout
    assert "fail" not in result.stdout


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (say(200, {"data": [{"id": "small"}, {"id": "large"}]}, "application/json"), "ok: small is served"),
        (say(200, {"data": [{"id": "large"}]}, "application/json"), "warn: its server does not list small (but large)"),
        (
            say(401, {"error": {"message": "no: s3cret"}}, "application/json"),
            "fail: The model's server refuses the key",
        ),
        (say(200, "<html>Hello</html>", "text/html"), "fail: The model's server sent what cannot be read"),
    ],
)
def test_the_model_s_server_is_asked_what_it_serves(answer: Answer, said: str) -> None:
    """Which costs nothing; without a model there is nothing to ask."""
    with serving() as http:
        http.answers = [answer]
        settings = Settings(llm_base_url=f"{http.url}/v1", llm_model="small", llm_api_key=SecretStr("s3cret"))
        (found,) = model.model(settings)

    line = f"{found.status}: {found.said}"
    assert line.startswith(said)
    assert "s3cret" not in line
    assert list(model.model(Settings())) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (say(200, {"results": [{"url": "http://a.example/"}]}, "application/json"), "ok: 1 hit for 'water'"),
        (
            say(200, {"results": [], "unresponsive_engines": [["duck", "timeout"]]}, "application/json"),
            "warn: nothing found for 'water'; 1 engine silent",
        ),
        (say(403, {}), "fail: the server refuses to answer as JSON"),
        (say(200, [], "application/json"), "fail: the server answers 200, not as SearXNG does"),
    ],
)
def test_the_search_server_is_asked_as_a_task_would_ask_it(answer: Answer, said: str) -> None:
    """What has to be set in SearXNG is said; without a server there is nothing to ask."""
    with serving() as http:
        http.answers = [answer]
        (found,) = searching.searching(Settings(searxng_url=f"{http.url}/"))

    assert f"{found.status}: {found.said}".startswith(said)
    assert http.asked[0][1] == "/search?q=water&format=json"
    assert list(searching.searching(Settings())) == []


def test_a_search_server_that_is_not_there_is_said() -> None:
    """With the variable that names it."""
    (found,) = searching.searching(Settings(searxng_url="http://127.0.0.1:9"))

    assert (found.check, found.status.value) == ("search", "fail")
    assert "STEPSTREAM_SEARXNG_URL" in found.advice


def test_a_model_that_is_not_there_is_said() -> None:
    """Within the time that a connection may take."""
    settings = Settings(llm_base_url="http://127.0.0.1:9/v1", llm_model="small", llm_connect_s=1.0)

    (found,) = model.model(settings)

    assert (found.check, found.status.value) == ("model", "fail")
