"""Every transition may be sent again when its reply was lost: nothing happens twice, and nothing happens in part."""

import contextlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

import pytest
from redis.exceptions import ResponseError

from app.dispatch import step_store, store
from app.dispatch.attempt import Attempt

from .cases import AGENTS, CASES, snapshot
from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


@dataclass
class Nonces:
    """Numbers in place of random nonces; once frozen always the same, as in a call that is sent again."""

    count: int = 0
    frozen: bool = False

    def next(self, size: int) -> str:
        self.count += not self.frozen
        return f"{self.count:0{2 * size}}"


@pytest.fixture
def nonces(monkeypatch: pytest.MonkeyPatch) -> Nonces:
    made = Nonces()
    monkeypatch.setattr(secrets, "token_hex", made.next)
    return made


@pytest.mark.parametrize("case", CASES)
async def test_a_transition_sent_twice_happens_once(bench: Bench, nonces: Nonces, case: str) -> None:
    """No key changes by the second call, the logs included; an attempt is not told that it is another's."""
    call = await CASES[case](bench)
    nonces.frozen, nonces.count = True, nonces.count + 1
    before = await snapshot(bench)
    await call.act(bench.tasks, bench.store)
    once = await snapshot(bench)
    assert once != before

    await call.act(bench.tasks, bench.store)

    assert changed(once, await snapshot(bench)) == {}


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """The keys whose content is another one, with both contents."""
    return {key: (before.get(key), after.get(key)) for key in before | after if before.get(key) != after.get(key)}


@pytest.mark.parametrize("case", [case for case in CASES if case != "forget"])
async def test_a_key_of_the_wrong_type_stops_a_transition_before_it_writes(bench: Bench, case: str) -> None:
    """Each key that the call would change holds a list instead: an error; state, log and counters stand still."""
    bench.damaged = True
    call = await CASES[case](bench)
    touched = await _touched(bench, case)
    assert touched
    for key in touched:
        call = await CASES[case](bench)
        await _harm(bench, key(call))
        spared = (bench.keys.task(call.task_id), bench.keys.events(call.task_id), bench.keys.totals)
        before = [await _read(bench, name) for name in spared]

        with pytest.raises(ResponseError):
            await call.act(bench.tasks, bench.store)

        assert changed({"": before}, {"": [await _read(bench, name) for name in spared]}) == {}, key(call)
        await _empty(bench)


async def _touched(bench: Bench, case: str) -> list[Any]:
    """The keys the call changes, as functions of the call: found out by making it once."""
    await _empty(bench)
    call = await CASES[case](bench)
    before = await snapshot(bench)
    await call.act(bench.tasks, bench.store)
    after = await snapshot(bench)
    names = {name for name in before | after if before.get(name) != after.get(name)}
    # Overwritten whatever they hold: nothing can be wrong with them.
    names = {name for name in names if not re.search(r":(idem|provider|docs):[^:]*(:[^:]*)?$", name)}
    # Lists and counters: no task stops for one of them that is damaged.
    spared = re.compile(r":(ix:.*|open|expiry|queues|deadlines|audit|totals|dlq:[^:]*:[mx])$")
    names = {name for name in names if not spared.search(name)}
    await _empty(bench)

    def of(name: str) -> Any:
        return lambda call_: name.replace(call.task_id, call_.task_id)

    # Other tasks have other ids the next time.
    own = re.compile(rf":(t|ev):(?!{call.task_id})")
    names = {name for name in names if not own.search(name)}
    # The task itself is deleted or accepted, not changed.
    gone = {bench.keys.task(call.task_id)} if case in ("submit", "submit_later", "fork", "forget") else set()
    gone |= {bench.keys.events(call.task_id)} if case == "forget" else set()
    # The firehose is a courtesy: nothing depends on it.
    gone.add(bench.keys.fire)
    return [of(name) for name in sorted(names - gone)]


async def _empty(bench: Bench) -> None:
    for key in [key async for key in bench.redis.scan_iter(match=f"{bench.keys.tag}:*", count=1000)]:
        await bench.redis.delete(key)


async def _harm(bench: Bench, key: str) -> None:
    await bench.redis.delete(key)
    await bench.redis.rpush(key, "harm")


async def _read(bench: Bench, key: str) -> Any:
    kind = await bench.redis.type(key)
    if kind == b"hash":
        return await bench.redis.hgetall(key)
    return await bench.redis.xrange(key) if kind == b"stream" else kind


async def test_wrong_arguments_change_nothing(bench: Bench) -> None:
    """A step that the task does not have, a text where a number belongs: an error or a refusal, nothing else."""
    task_id = (await CASES["complete"](bench)).task_id
    before = await snapshot(bench)
    scripts: Any = bench.store._scripts
    attempt_args = ("1", (await bench.state(task_id, 1))["attempt"] + ":" + (await bench.state(task_id, 1))["nonce"])
    for script, args in (
        (step_store.COMPLETE, ("99", "1:x", "{}", "", "", "")),
        (step_store.FAIL, (*attempt_args, "{}", "1", "soon", "many", '""')),
        (step_store.DEFER, (*attempt_args, "soon", "p", "many", '"p"')),
        (step_store.PROGRESS, (*attempt_args, "first", "50", "step.progress", "{}")),
        (step_store.START, ("1", "none", "n", "w", "3")),
        (store.CANCEL, ("graceful", '"x"', "null", "soon")),
        (store.RETRY, ("", '"x"', "n", "many")),
    ):
        with contextlib.suppress(ResponseError):
            await scripts(script, task_id, *args)
        assert await snapshot(bench) == before, script


def test_the_table_has_every_script() -> None:
    """Each transition that writes a task is among the cases."""
    stems = {"submit", "fork", "start", "progress", "memo", "complete", "grow", "fail", "defer", "release", "stop"}
    stems |= {"cancel", "pause", "resume", "retry", "expire", "forget"}
    assert {name.split("_")[0] for name in CASES} == stems


async def test_a_completion_sent_again_goes_on_with_the_same_attempt(bench: Bench, nonces: Nonces) -> None:
    """The reply that was lost is given once more, not the word that there is nothing to do."""
    attempt = await bench.start(await bench.submit(LINE), 1)
    nonces.frozen, nonces.count = True, nonces.count + 1

    replies = [await bench.store.complete(attempt, b"{}", "", queues=AGENTS) for _ in range(2)]

    first, again = [Attempt.from_reply(attempt.ref.task_id, reply or []) for reply in replies]
    assert again == first
