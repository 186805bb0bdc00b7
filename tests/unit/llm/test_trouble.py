"""What goes wrong at a model's server, and what it means for the step that asked."""

import email.utils
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from app.errors import AgentError, LlmUnusable, Permanent, RateLimited, Retryable
from tests.llm_script import asked, chunk, floods, opened, refuses, resets, stalls, writes
from tests.unit.scripted_server import Answer, say

from .conftest import KEY, SAID, Talk

pytestmark = pytest.mark.anyio

LATER = email.utils.formatdate(time.time() + 3_600, usegmt=True)


async def failure(talk: Talk, answer: Answer, **options: float) -> AgentError:
    talk.server.answers = [answer]
    async with talk.open(**options) as llm:
        with pytest.raises(AgentError) as caught:
            await llm.complete(SAID, name="draft", tokens_max=50)
    return caught.value


@pytest.mark.parametrize(
    ("headers", "least_ms", "most_ms"),
    [
        ({"Retry_After": "7"}, 7_000, 7_000),
        ({"Retry_After": LATER}, 60_000, 3_600_000),
        ({"retry_after_ms": "250", "Retry_After": "1"}, 250, 250),
        ({"Retry_After": "soon"}, 5_000, 5_000),
        ({}, 5_000, 5_000),
    ],
)
async def test_a_server_that_asks_for_patience_gets_it(
    talk: Talk, headers: dict[str, str], least_ms: int, most_ms: int
) -> None:
    """429 puts the step off for as long as it says, in seconds, as a date or in milliseconds; it burns no attempt."""
    error = await failure(talk, refuses(429, "slow down", **headers))

    assert isinstance(error, RateLimited)
    assert least_ms <= error.retry_after_ms <= most_ms
    assert len(asked(talk.server)) == 1


async def test_an_account_without_credit_is_not_waited_for(talk: Talk) -> None:
    """It has the status of a rate limit, and waiting does not help."""
    error = await failure(talk, refuses(429, "You exceeded your quota", code="insufficient_quota"))

    assert (type(error), error.code) == (Permanent, "llm_no_credit")


@pytest.mark.parametrize("status", [500, 502, 503, 529, 408])
async def test_a_server_that_fails_is_asked_again_later(talk: Talk, status: int) -> None:
    """By the retries of the step: the SDK itself sends nothing twice."""
    error = await failure(talk, refuses(status, "oops", Retry_After="3"))

    assert isinstance(error, Retryable)
    assert error.retry_after_ms == 3_000
    assert len(asked(talk.server)) == 1


@pytest.mark.parametrize(
    ("status", "message", "names"),
    [
        (401, f"Incorrect API key provided: {KEY}", "STEPSTREAM_LLM_API_KEY"),
        (403, f"{KEY} may not", "STEPSTREAM_LLM_API_KEY"),
        (404, f"no model for {KEY}", "STEPSTREAM_LLM_MODEL"),
        (400, f"bad request of {KEY}", "400"),
    ],
)
async def test_a_refusal_is_final_and_names_the_setting(talk: Talk, status: int, message: str, names: str) -> None:
    """Never the key, even if the server repeats it."""
    error = await failure(talk, refuses(status, message))

    assert type(error) is Permanent
    assert names in str(error)
    assert KEY not in f"{error!r} {error} {talk.options()!r}"


@pytest.mark.parametrize(
    "message", ["This model's maximum context length is 8192 tokens", "the request exceeds the available context size"]
)
async def test_a_question_longer_than_the_model_reads_is_unusable(talk: Talk, message: str) -> None:
    """An agent that has another way takes it."""
    error = await failure(talk, refuses(400, message, code="context_length_exceeded"))

    assert (type(error), error.code) == (LlmUnusable, "llm_context_too_long")


async def test_a_server_that_says_nothing_is_given_up(talk: Talk, over: threading.Event) -> None:
    """Before its headers, and behind them."""
    silent = [lambda _: over.wait(30), stalls(until=over), stalls(chunk("", role="assistant"), until=over)]
    for answer in silent:
        error = await failure(talk, answer, first_token_s=0.2)  # type: ignore[arg-type]
        assert (type(error), error.code) == (Retryable, "llm_timeout")
    assert {usage.output_tokens for usage in talk.usage} == {None}


async def test_a_stream_that_falls_silent_is_given_up(talk: Talk, over: threading.Event) -> None:
    """The pieces so far are lost, and the call is told with unknown tokens."""
    error = await failure(talk, stalls(chunk("A stream"), until=over), stall_s=0.2)

    assert (type(error), error.code) == (Retryable, "llm_timeout")
    assert [usage.output_tokens for usage in talk.usage] == [None]


async def test_an_answer_that_goes_on_is_given_up(talk: Talk) -> None:
    """By time, or by size: whichever comes first."""
    slow = await failure(talk, floods("x"), total_s=0.5)
    large = await failure(talk, floods(), total_s=60)

    assert (type(slow), slow.code) == (Retryable, "llm_timeout")
    assert (type(large), large.code) == (Retryable, "llm_unreachable")


async def test_a_server_may_leave_the_stream_open_behind_its_answer(talk: Talk, over: threading.Event) -> None:
    """What it said counts."""
    talk.server.answers = [stalls(chunk("A stream"), chunk(None, "stop"), until=over)]

    async with talk.open(stall_s=0.2, total_s=1.0) as llm:
        assert (await llm.complete(SAID, name="draft", tokens_max=50)).text == "A stream"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (writes("A stream is", finish=None, usage=None), "llm_broken_answer"),
        (resets(chunk("A stream")), "llm_unreachable"),
        (stalls(b"data: {broken\n\n", until=threading.Event()), "llm_broken_answer"),
        (stalls(b'data: {"error": {"message": "out of memory"}}\n\n', until=threading.Event()), "llm_broken_answer"),
    ],
    ids=["ends early", "is reset", "is no JSON", "turns into an error"],
)
async def test_an_answer_that_breaks_off_is_asked_for_again(talk: Talk, answer: Answer, code: str) -> None:
    """By the retries of the step."""
    error = await failure(talk, answer)

    assert (type(error), error.code) == (Retryable, code)


@pytest.mark.parametrize(
    "answer",
    [
        say(200, "<html>Sign in</html>", "text/html"),
        say(200, {"hello": 1}, "application/json"),
        say(302, "", "text/html", Location="http://127.0.0.1:9/"),
    ],
    ids=["a page", "other JSON", "a redirect"],
)
async def test_what_is_no_model_at_all_is_told(talk: Talk, answer: Answer) -> None:
    """A wrong address answers as well; nothing follows it elsewhere."""
    error = await failure(talk, answer)

    assert type(error) is Permanent


async def test_a_packed_answer_is_refused(talk: Talk) -> None:
    """It was not asked for, and unpacked it might have any size."""

    def packed(request: object) -> None:
        opened(request, "text/event-stream\r\nContent-Encoding: gzip")  # type: ignore[arg-type]

    assert isinstance(await failure(talk, packed), Retryable)


async def test_a_server_that_is_not_there_is_asked_again_later(talk: Talk) -> None:
    """Nothing of its address is told, which may hold a password."""
    async with talk.open(base_url="http://user:s3cret@127.0.0.1:9/v1") as llm:
        with pytest.raises(Retryable) as caught:
            await llm.complete(SAID, name="draft", tokens_max=50)

    assert "s3cret" not in str(caught.value)
    assert "STEPSTREAM_LLM_BASE_URL" in str(caught.value)
    assert talk.usage == []


async def test_no_more_calls_are_under_way_than_allowed(talk: Talk, over: threading.Event) -> None:
    """Another one waits for a place, but not for ever."""
    talk.server.answers = [stalls(chunk("A stream"), until=over)]

    async with talk.open(concurrency_max=1, total_s=0.5) as llm:
        stream = llm.stream(SAID, name="one", tokens_max=50)
        await anext(stream)
        with pytest.raises(Retryable) as caught:
            await llm.complete(SAID, name="two", tokens_max=50)
        await stream.aclose()

    assert caught.value.code == "llm_busy"
    assert len(asked(talk.server)) == 1


def _sends(*parts: bytes) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        opened(request)
        request.wfile.write(b"".join(parts) + b"data: [DONE]\n\n")

    return answer


@pytest.mark.parametrize(
    "choices",
    [[None], {"a": 1}, 5, ["x"], [{"delta": "x"}], [{"delta": {"content": [1]}}], [{"delta": None}], [[{"delta": 1}]]],
    ids=repr,
)
async def test_parts_of_another_form_are_passed_over(talk: Talk, choices: object) -> None:
    """What can be read of the answer counts; the SDK hands on whatever the server sent."""
    talk.server.answers = [
        _sends(chunk(choices=choices), chunk(choices=[], usage=5), chunk("fine"), chunk(None, "stop"))
    ]
    async with talk.open() as llm:
        reply = await llm.complete(SAID, name="draft", tokens_max=50)

    assert (reply.text, reply.finish, reply.input_tokens) == ("fine", "stop", None)


@pytest.mark.parametrize("choices", [[None], ["x"], [{"message": "x"}], [{"message": {"content": 5}}], []], ids=repr)
async def test_a_whole_answer_of_another_form_is_empty(talk: Talk, choices: object) -> None:
    """As one that says nothing."""
    talk.server.answers = [say(200, {"choices": choices, "usage": [1]}, "application/json")]
    async with talk.open() as llm:
        assert (await llm.complete(SAID, name="draft", tokens_max=50)).text == ""


async def test_counts_that_cannot_be_are_none(talk: Talk) -> None:
    """Below nothing, or beyond all measure: a sum with those could never be read again."""
    usage = {"prompt_tokens": 10**400, "completion_tokens": -5, "prompt_tokens_details": {"cached_tokens": 10**10}}
    talk.server.answers = [writes("Yes.", usage=usage)]
    async with talk.open() as llm:
        reply = await llm.complete(SAID, name="draft", tokens_max=50)

    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (None, None, None)


async def test_half_a_character_becomes_a_mark_of_doubt(talk: Talk) -> None:
    """JSON can hold what text cannot."""
    talk.server.answers = [_sends(b'data: {"choices":[{"delta":{"content":"a\\ud83d b"}}]}\n\n', chunk(None, "stop"))]
    async with talk.open() as llm:
        assert (await llm.complete(SAID, name="draft", tokens_max=50)).text == "a\ufffd b"
