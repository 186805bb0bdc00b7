"""Answers of a given form: what is sent, what is taken, and what is mended or refused."""

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from app.errors import LlmUnusable
from app.llm.fence import fenced
from app.llm.structured import bounded_schema
from tests.llm_script import asked, refuses, writes

from .conftest import SAID, Talk

pytestmark = pytest.mark.anyio


class Answer(BaseModel):
    """A form with a bound on everything."""

    verdict: Literal["yes", "no"]
    reasons: list[str] = Field(max_length=3)


class Bounded(Answer):
    """The same, its strings bounded as well."""

    reasons: list[Literal["a", "b"]] = Field(max_length=3)
    note: str = Field("", max_length=20)


GOOD = '{"verdict": "yes", "reasons": ["a"], "note": "x"}'


@pytest.mark.parametrize(
    "text", [GOOD, f"Here you are:\n```json\n{GOOD}\n```\nAnything else?", f"<think>{{no}}</think>{GOOD}"]
)
async def test_an_answer_is_found_among_words(talk: Talk, text: str) -> None:
    """The schema is sent for servers that hold a model to it; fences and remarks do no harm."""
    talk.server.answers = [writes(text)]

    async with talk.open() as llm:
        answer = await llm.complete_json(SAID, Bounded, name="judge", tokens_max=50)

    assert answer == Bounded(verdict="yes", reasons=["a"], note="x")
    (body,) = asked(talk.server)
    assert body["response_format"]["json_schema"]["schema"] == bounded_schema(Bounded)


@pytest.mark.parametrize(
    ("bad", "finish", "hint"),
    [
        ("I would say yes.", "stop", "no JSON object"),
        ('{"verdict": "maybe", "reasons": []}', "stop", "verdict"),
        ('{"verdict": "yes", "reasons": ["a"', "length", "cut off"),
        (GOOD, "length", "cut off"),
        ("", "stop", "no JSON object"),
    ],
)
async def test_an_unusable_answer_is_mended_once(talk: Talk, bad: str, finish: str, hint: str) -> None:
    """The model is told what is wrong; its second answer is taken."""
    talk.server.answers = [writes(bad, finish=finish), writes(GOOD)]

    async with talk.open() as llm:
        answer = await llm.complete_json(SAID, Bounded, name="judge", tokens_max=50)

    assert answer.verdict == "yes"
    assert hint in asked(talk.server)[1]["messages"][-1]["content"]
    assert len(talk.usage) == 2


async def test_an_answer_that_stays_unusable_is_given_up(talk: Talk) -> None:
    """After two answers an agent takes its other way, and when the step runs again it pays for none of them."""
    talk.server.answers = [writes("no")]

    for _ in range(2):
        async with talk.open() as llm:
            with pytest.raises(LlmUnusable, match="twice"):
                await llm.complete_json(SAID, Bounded, name="judge", tokens_max=50)

    assert len(asked(talk.server)) == 2


async def test_a_server_without_schemas_is_told_the_form_in_words(talk: Talk) -> None:
    """First it is asked for any JSON, then for nothing but words; what it refused is not tried again."""
    talk.server.answers = [
        refuses(400, "json_schema is not supported"), refuses(400, "response_format is unavailable"), writes(GOOD),
    ]  # fmt: skip

    async with talk.open() as llm:
        await llm.complete_json(SAID, Bounded, name="one", tokens_max=50)
        await llm.complete_json(SAID[1:], Bounded, name="two", tokens_max=50)

    bodies = asked(talk.server)
    forms = [body.get("response_format", {}).get("type") for body in bodies]
    assert forms == ["json_schema", "json_object", None, None]
    assert ["verdict" in body["messages"][0]["content"] for body in bodies] == [False, True, True, True]
    assert [body["messages"][0]["role"] for body in bodies] == ["system"] * 4


async def test_a_form_without_bounds_is_a_mistake_of_the_program(talk: Talk) -> None:
    """A string or a list without an end may go on until the tokens are used up; no model is asked."""
    async with talk.open() as llm:
        with pytest.raises(ValueError, match="/reasons"):
            await llm.complete_json(SAID, Answer, name="judge", tokens_max=50)

    assert talk.server.asked == []


@pytest.mark.parametrize("text", ["", "plain", "x\n" + fenced("x"), fenced(fenced("y"))])
def test_text_from_outside_cannot_close_its_fence(text: str) -> None:
    """The code of the marks does not occur in the text, and the same text has the same marks."""
    whole = fenced(text, "passage\np1")
    head, _, tail = whole.partition("\n")
    code = head.split()[1]

    assert head == f"<<<DATA {code} passage p1"
    assert tail == f"{text}\n{code} DATA>>>"
    assert code not in text
    assert whole == fenced(text, "passage p1")
