"""Side effects that happen once: what is remembered, for whom, and up to which size."""

from typing import Any

import pytest

from app.dispatch.attempt import Fenced
from app.dispatch.context import StepContext
from app.dispatch.memos import MEMO_BYTES_MAX, MEMO_NAME_CHARS_MAX
from app.errors import Retryable
from app.model.agents import StepOutput

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


async def test_an_effect_survives_a_failure_and_a_redelivery(bench: Bench) -> None:
    """Done in the first attempt, remembered in the second and the third, whatever ended them."""
    sent: list[int] = []
    seen: list[Any] = []

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        seen.append(await ctx.once("mail", lambda: sent.append(ctx.attempt) or {"id": 7}))
        if ctx.attempt == 1:
            raise Retryable("after the mail")
        if ctx.attempt == 2:
            await bench.runner(retriever=agent).run(await bench.ref(ctx.task_id, 1))
        return StepOutput()

    task_id = await bench.submit(LINE[:1])
    await bench.deliver(bench.runner(retriever=agent))

    assert (sent, seen) == ([1], [{"id": 7}] * 3)
    assert (await bench.types(task_id)).count("step.completed") == 1


async def test_a_superseded_attempt_cannot_remember(bench: Bench) -> None:
    """The value of a zombie does not become the truth; that of the current attempt does, once."""
    task_id = await bench.submit(LINE[:1])
    zombie, current = await bench.start(task_id, 1), await bench.start(task_id, 1, worker="w2")

    with pytest.raises(Fenced):
        await bench.store.memo(zombie, "mail", b"1")

    assert await bench.reader.memo(task_id, 1, "mail") is None
    assert await bench.store.memo(current, "mail", b"2") == b"2"
    assert await bench.store.memo(current, "mail", b"3") == b"2"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("", 1, "unexpected"),
        ("n" * (MEMO_NAME_CHARS_MAX + 1), 1, "unexpected"),
        ("n", "x" * MEMO_BYTES_MAX, "memo_too_large"),
        ("n", object(), "memo_not_json"),
    ],
)
async def test_a_memo_has_limits(bench: Bench, name: str, value: Any, code: str) -> None:
    """A name of no or too many characters, or a value that cannot be kept, fails the attempt."""

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        await ctx.once(name, lambda: value)
        return StepOutput()

    task_id = await bench.submit([{**LINE[0], "max_attempts": 1}])
    await bench.deliver(bench.runner(retriever=agent))

    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert error["code"] == code
    assert not [name for name in await bench.redis.hkeys(bench.keys.task(task_id)) if name.startswith(b"m:")]
