"""The way to a model: whole answers and streams, what servers leave out, and what they take."""

import base64
import threading

import pytest

from app.dispatch.attempt import Fenced
from app.llm.options import Price
from tests.llm_script import USAGE, asked, chunk, refuses, stalls, whole, writes

from .conftest import KEY, SAID, Talk

pytestmark = pytest.mark.anyio

TEXT = "A stream is an append-only log. Readers keep their place in it."


async def test_an_answer_comes_whole_with_what_it_took(talk: Talk) -> None:
    """Text, tokens, cost from the table of prices, and times; the same is told as an event."""
    talk.server.answers = [writes(TEXT)]

    async with talk.open(prices={"small": Price(2.0, 10.0, 0.5)}) as llm:
        reply = await llm.complete(SAID, name="draft", tokens_max=50)

    assert (reply.text, reply.finish, reply.model) == (TEXT, "stop", "small")
    assert (reply.input_tokens, reply.output_tokens, reply.cached_tokens) == (12, 5, 4)
    assert reply.usd == pytest.approx((8 * 2.0 + 4 * 0.5 + 5 * 10.0) / 1e6)
    assert reply.ttft_ms is not None
    (told,) = talk.usage
    assert (told.name, told.usd, told.ms, told.ttft_ms) == ("draft", reply.usd, reply.ms, reply.ttft_ms)


async def test_an_answer_comes_in_the_pieces_in_which_it_is_written(talk: Talk) -> None:
    """They join to the text; behind the last one the reply is there."""
    talk.server.answers = [writes(TEXT)]

    async with talk.open() as llm:
        stream = llm.stream(SAID, name="draft", tokens_max=50)
        assert stream.reply is None
        pieces = [piece async for piece in stream]

    assert len(pieces) > 5
    assert "".join(pieces) == TEXT
    assert stream.reply is not None
    assert stream.reply.text == TEXT


async def test_a_question_says_what_it_must_and_no_more(talk: Talk) -> None:
    """The key is sent; the machine, its platform and accounts in the environment are not told."""
    talk.server.answers = [writes(TEXT)]

    async with talk.open() as llm:
        await llm.complete(SAID, name="draft", tokens_max=50, temperature=0.3)

    (body,) = asked(talk.server)
    assert body == {
        "model": "small", "messages": [message.model_dump() for message in SAID], "max_tokens": 50, "temperature": 0.3,
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    _, path, headers, _ = talk.server.asked[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert set(headers) == {
        "host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent",
        "authorization",
    }  # fmt: skip


async def test_without_a_key_none_is_sent(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the one that lies in the environment for another server."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody")
    talk.server.answers = [writes(TEXT)]

    async with talk.open(api_key="") as llm:
        await llm.complete(SAID, name="draft", tokens_max=50)

    assert "somebody" not in str(talk.server.asked)
    assert "authorization" not in talk.server.asked[0][2]


async def test_a_password_in_the_address_is_sent_as_such(talk: Talk) -> None:
    """Unless there is a key, for a header holds one of them."""
    talk.server.answers = [writes(TEXT)]
    base_url = f"{talk.server.url}/v1".replace("//", "//user:s3cret@")

    for key in ("", KEY):
        async with talk.open(base_url=base_url, api_key=key) as llm:
            await llm.complete(SAID, name=f"draft {key}", tokens_max=50)

    assert [headers["authorization"] for _, _, headers, _ in talk.server.asked] == [
        "Basic " + base64.b64encode(b"user:s3cret").decode(), f"Bearer {KEY}",
    ]  # fmt: skip


async def test_a_server_that_counts_no_tokens_leaves_them_unknown(talk: Talk) -> None:
    """Nothing is guessed: tokens and cost are `None`."""
    talk.server.answers = [writes(TEXT, usage=None)]

    async with talk.open(prices={"small": Price(1.0, 1.0, 1.0)}) as llm:
        reply = await llm.complete(SAID, name="draft", tokens_max=50)

    assert (reply.input_tokens, reply.output_tokens, reply.usd) == (None, None, None)
    assert talk.usage[0].input_tokens is None


async def test_an_answer_that_is_cut_off_says_so(talk: Talk) -> None:
    """Whether that will do is for the caller to say."""
    talk.server.answers = [writes(TEXT, finish="length")]

    async with talk.open() as llm:
        assert (await llm.complete(SAID, name="draft", tokens_max=5)).finish == "length"


async def test_a_server_without_streams_is_understood(talk: Talk) -> None:
    """Its whole answer is one piece."""
    talk.server.answers = [whole(TEXT)]

    async with talk.open() as llm:
        reply = await llm.complete(SAID, name="draft", tokens_max=50)

    assert (reply.text, reply.input_tokens, reply.finish) == (TEXT, USAGE["prompt_tokens"], "stop")


@pytest.mark.parametrize(
    ("refusal", "changed"),
    [
        ("Unknown parameter: stream_options", {"stream_options": None}),
        ("Use 'max_completion_tokens' instead of 'max_tokens'", {"max_tokens": None, "max_completion_tokens": 50}),
        ("'temperature' does not support 0.0 with this model", {"temperature": None}),
    ],
)
async def test_a_parameter_that_is_refused_is_left_out_from_then_on(
    talk: Talk, refusal: str, changed: dict[str, object]
) -> None:
    """The refusal names it; the question is asked again at once, and later ones are asked right at first."""
    talk.server.answers = [refuses(400, refusal), writes(TEXT)]

    async with talk.open() as llm:
        await llm.complete(SAID, name="one", tokens_max=50)
        await llm.complete(SAID[1:], name="two", tokens_max=50)

    bodies = asked(talk.server)
    assert len(bodies) == 3
    for body in bodies[1:]:
        assert {name: body.get(name) for name in changed} == changed


async def test_thoughts_are_no_part_of_the_answer(talk: Talk) -> None:
    """What a model thinks aloud is left out, however the pieces fall."""
    talk.server.answers = [writes(f"<think>What could it be? {{}}</think>\n\n{TEXT}"), writes("<think>and no end")]

    async with talk.open() as llm:
        assert (await llm.complete(SAID, name="one", tokens_max=50)).text == TEXT
        assert (await llm.complete(SAID, name="two", tokens_max=50)).text == ""


async def test_a_step_that_runs_again_is_answered_from_memory(talk: Talk) -> None:
    """The same question under the same name asks nobody and costs nothing; long answers are remembered as well."""
    long = TEXT * 400
    talk.server.answers = [writes(long)]

    async with talk.open() as llm:
        first = await llm.complete(SAID, name="draft", tokens_max=50)
    async with talk.open() as llm:
        again = await llm.complete(SAID, name="draft", tokens_max=50)
        stream = llm.stream(SAID, name="draft", tokens_max=50)
        pieces = [piece async for piece in stream]

    assert again == first == stream.reply
    assert len(pieces) > 100
    assert "".join(pieces) == long
    assert (len(asked(talk.server)), len(talk.usage)) == (1, 1)


async def test_what_a_crash_left_of_an_answer_is_no_part_of_the_next(talk: Talk) -> None:
    """A step that died while it kept a long answer is answered otherwise, and remembers that whole."""
    first, second = "a" * 25_000, "b" * 25_000
    talk.server.answers = [writes(first), writes(second)]
    keep, left = talk.memos.keep, 2

    async def dies(name: str, value: object) -> bytes:
        nonlocal left
        left -= 1
        if left < 0:
            raise Fenced
        return await keep(name, value)

    talk.memos.keep = dies  # type: ignore[method-assign]
    async with talk.open() as llm:
        with pytest.raises(Fenced):
            await llm.complete(SAID, name="draft", tokens_max=50)
    talk.memos.keep = keep  # type: ignore[method-assign]
    async with talk.open() as llm:
        await llm.complete(SAID, name="draft", tokens_max=50)
        again = await llm.complete(SAID, name="draft", tokens_max=50)

    assert again.text == second
    assert len(asked(talk.server)) == 2


async def test_another_question_is_not_answered_from_memory(talk: Talk) -> None:
    """Neither other words, nor another name, nor another model."""
    talk.server.answers = [writes(TEXT)]

    async with talk.open() as llm:
        await llm.complete(SAID, name="draft", tokens_max=50)
        await llm.complete(SAID[1:], name="draft", tokens_max=50)
        await llm.complete(SAID, name="other", tokens_max=50)
    async with talk.open(model="large") as llm:
        await llm.complete(SAID, name="draft", tokens_max=50)

    assert len(asked(talk.server)) == 4


async def test_a_reader_who_stops_ends_the_answer_and_pays_for_what_there_was(
    talk: Talk, over: threading.Event
) -> None:
    """The connection is closed, its place is free again, and the call is told with unknown tokens."""
    talk.server.answers = [stalls(chunk("A stream"), until=over), writes(TEXT)]

    async with talk.open(concurrency_max=1) as llm:
        stream = llm.stream(SAID, name="draft", tokens_max=50)
        assert await anext(stream) == "A stream"
        await llm.aclose()
        assert (await llm.complete(SAID, name="next", tokens_max=50)).text == TEXT

    assert [(usage.name, usage.input_tokens) for usage in talk.usage] == [("draft", None), ("next", 12)]
