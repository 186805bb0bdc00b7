"""The writer and a server of a language model on a real socket."""

from pathlib import Path

import pytest

from app.errors import RateLimited, Retryable
from app.llm.conversation import Conversation
from app.model.agents import StepOutput
from tests.llm_script import asked, chunk, refuses, resets, writes
from tests.unit.agents.conftest import Bench
from tests.unit.agents.test_drafting import GOOD, analysis, data
from tests.unit.llm.conftest import Talk
from tests.unit.scripted_server import Answer

pytestmark = pytest.mark.anyio


async def report(folder: Path, llm: Conversation, *, last_attempt: bool = False) -> tuple[StepOutput, Bench]:
    bench = Bench(folder)
    inputs = {1: StepOutput(data=analysis().model_dump(mode="json"))}
    ctx = bench.context("writer", task="How do queues work?", inputs=inputs, last_attempt=last_attempt)
    ctx.llm = llm
    return await bench.step("writer", "How do queues work?", ctx), bench


async def test_a_step_that_runs_again_streams_the_same_and_asks_nobody(talk: Talk, tmp_path: Path) -> None:
    """The answer is remembered under the name of the call."""
    talk.server.answers = [writes(GOOD)]

    async with talk.open() as llm:
        first, bench = await report(tmp_path, llm)
    async with talk.open() as llm:
        second, again = await report(tmp_path, llm)

    assert data(first)["written_by"] == "llm"
    assert first == second
    assert "".join(d.text for d in bench.emitted("output.delta")) == first.text
    assert "".join(d.text for d in again.emitted("output.delta")) == first.text
    assert (len(asked(talk.server)), len(talk.usage)) == (1, 1)


@pytest.mark.parametrize("answer", [refuses(429, "slow down"), refuses(503, "busy"), resets(chunk("An entry"))])
async def test_a_server_that_is_busy_or_breaks_off_is_for_dispatch(talk: Talk, tmp_path: Path, answer: Answer) -> None:
    """The step runs again, later, while it has attempts left: nothing is written without the model before that."""
    talk.server.answers = [answer] * 5

    async with talk.open() as llm:
        with pytest.raises((RateLimited, Retryable)):
            await report(tmp_path, llm)


@pytest.mark.parametrize("answer", [refuses(503, "busy"), resets(chunk("An entry"))])
async def test_no_report_is_lost_to_a_server_that_stays_away(talk: Talk, tmp_path: Path, answer: Answer) -> None:
    """The last attempt writes what the rules can write."""
    talk.server.answers = [answer] * 5

    async with talk.open() as llm:
        output, bench = await report(tmp_path, llm, last_attempt=True)

    assert_written_by_rules(output, bench)


@pytest.mark.parametrize("status", [401, 403, 404, 400])
async def test_no_report_is_lost_to_a_server_that_refuses(talk: Talk, tmp_path: Path, status: int) -> None:
    """Asking again would change nothing, so the first attempt does without."""
    talk.server.answers = [refuses(status, "no such model or key")] * 5

    async with talk.open() as llm:
        output, bench = await report(tmp_path, llm)

    assert_written_by_rules(output, bench)


async def test_patience_is_asked_for_in_the_last_attempt_too(talk: Talk, tmp_path: Path) -> None:
    """Waiting burns no attempt."""
    talk.server.answers = [refuses(429, "slow down")]

    async with talk.open() as llm:
        with pytest.raises(RateLimited):
            await report(tmp_path, llm, last_attempt=True)


def assert_written_by_rules(output: StepOutput, bench: Bench) -> None:
    said = bench.emitted("step.progress")[-1].message

    assert data(output)["written_by"] == "rules"
    assert data(output)["summary"]
    assert data(output)["citations"]["ok"] > 0
    assert "".join(d.text for d in bench.emitted("output.delta")) == output.text
    assert said.startswith("the model's answer is not to be had (")
    assert said.endswith("the rest is in the documents' words")
