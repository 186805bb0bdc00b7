"""Running agents in tests of their own: what the page promises, and what a worker would have said."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from actors.agent import Permanent, RateLimited, StepContext, StepInput, StepOutput, agent
from actors.testing import Memos, run_agent, run_agent_async
from app.model.agents import registry
from app.model.task import Document

from .examples import write_brief, write_examples

pytestmark = pytest.mark.usefixtures("clean_registry")


def python(folder: Path, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs a module of Python's in a folder that has nothing of ours."""
    where = {"PYTHONPATH": str(folder), "MYPYPATH": str(folder)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, check=False, cwd=folder, env=where, capture_output=True, text=True)


def test_the_examples_of_the_page_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copied into files, each module registers its agent, and the page's own tests pass."""
    files = write_examples(tmp_path)
    assert set(files) == {"longwords.py", "test_longwords.py", "checksum.py", "weather.py", "plan.json"}
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = {name: importlib.import_module(name.removesuffix(".py")) for name in files if name.endswith(".py")}
    for module in modules.values():
        monkeypatch.delitem(sys.modules, module.__name__)
    tests = [run for name, run in vars(modules["test_longwords.py"]).items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()

    run = run_agent("checksum", "go", documents=[Document(name="a.md", text="a")])

    assert not registry["checksum"].asynchronous
    assert registry["weather"].asynchronous
    assert run.output.summary == "1 documents"
    assert run.progress[0].message == "a.md"


@pytest.mark.full
def test_the_examples_of_the_page_are_typed(tmp_path: Path) -> None:
    """mypy in strict mode has nothing to say about them, nor about the agent that asks a model."""
    files = write_examples(tmp_path) | write_brief(tmp_path)
    done = python(tmp_path, "mypy", "--strict", *(name for name in files if name.endswith(".py")))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.anyio
async def test_a_test_with_a_loop_awaits_its_agent() -> None:
    """Reports come out in order, as what they are."""

    @agent("teller")
    async def teller(step: StepInput, ctx: StepContext) -> StepOutput:
        await ctx.source(pid="p1", title="T", uri="t.md", score=0.5)
        await ctx.delta("one ")
        await ctx.delta("two")
        await ctx.citations(total=1, ok=1, repaired=0, dropped=0)
        return StepOutput(text="one two")

    run = await run_agent_async(teller, "go", task="Tell it")

    assert [event.type for event in run.events] == [
        "source.found",
        "output.delta",
        "output.delta",
        "citations.verified",
    ]
    assert (run.streamed, run.sources[0].pid, run.citations[0].ok) == ("one two", "p1", 1)


def test_a_step_that_runs_again_remembers_what_it_did() -> None:
    """The same memos: the effect is not repeated, whether the agent is a coroutine or a plain function."""
    sent: list[str] = []

    @agent("mailer")
    def mailer(step: StepInput, ctx: StepContext) -> StepOutput:
        return StepOutput(data=ctx.sync.once("mail", lambda: sent.append(step.text) or {"id": 7}))

    memos = Memos.in_memory()
    outputs = [run_agent(mailer, "hello", memos=memos, attempt=attempt).output.data for attempt in (1, 2)]

    assert outputs == [{"id": 7}] * 2
    assert sent == ["hello"]


class Count(BaseModel):
    """A dependency's data."""

    words: int


def test_dependencies_are_read_as_models() -> None:
    """In step order; those without an output are named; one that left something else is an error with its place."""

    @agent("summer")
    async def summer(step: StepInput, ctx: StepContext) -> StepOutput:
        counts = ctx.inputs_as(Count)
        return StepOutput(data={"words": [count.words for count in counts.values()], "missing": list(ctx.missing)})

    run = run_agent(summer, "go", inputs={4: {"words": 1}, 2: StepOutput(data={"words": 2})}, missing=[3])

    assert run.output.data == {"words": [2, 1], "missing": [3]}
    with pytest.raises(
        Permanent, match="What step 2 left is no Count: words: Input should be a valid integer"
    ) as raised:
        run_agent(summer, "go", inputs={2: {"words": "many"}})
    assert raised.value.code == "bad_dependency"


@pytest.mark.parametrize(
    ("returned", "code", "words"),
    [
        (None, "bad_output", "returned nothing, not StepOutput"),
        ({"summary": "x"}, "bad_output", "returned dict, not StepOutput"),
        (StepOutput(data={"words": "many"}), "bad_output", "The data is no Count: words: Input should be"),
        (StepOutput(data={"words": 1}, text="x" * (1 << 20)), "result_too_large", "at most 1048576"),
        (
            StepOutput(data={"words": 1}, steps=[{"step_id": 1, "agent": "nobody", "payload": "x"}]),
            "bad_steps", "/steps/0/agent: names no agent: 'nobody'",
        ),
        (
            StepOutput(data={"words": 1}, steps=[{"step_id": n, "agent": "writer", "payload": ""} for n in range(29)]),
            "bad_steps", "has 29 steps; at most 20",
        ),
    ],
    ids=["nothing", "dict", "data", "size", "unknown agent", "many steps"],
)  # fmt: skip
def test_what_cannot_be_an_output_is_refused_as_in_a_worker(returned: Any, code: str, words: str) -> None:
    """With a sentence that says what is wrong."""
    agent("wrong", output_model=Count)(lambda step, ctx: returned)

    with pytest.raises(Permanent) as raised:
        run_agent("wrong", "go")

    assert raised.value.code == code
    assert words in str(raised.value)


def test_a_payload_that_does_not_fit_is_refused_before_the_agent_runs() -> None:
    """As the plan's check would have, with the field's name and without its value."""
    with pytest.raises(Permanent, match=r"passages_max: Input should be less than or equal to 50") as raised:
        run_agent("retriever", {"text": "x", "passages_max": 4711})

    assert raised.value.code == "invalid_input"
    assert "4711" not in str(raised.value)


def test_what_an_agent_raises_comes_out_as_it_is() -> None:
    """So that a test can look at what a worker would act on."""

    @agent("limited")
    async def limited(step: StepInput, ctx: StepContext) -> StepOutput:
        raise RateLimited("later", retry_after_ms=7_000)

    with pytest.raises(RateLimited) as raised:
        run_agent(limited, "go")

    assert raised.value.retry_after_ms == 7_000


def test_an_agent_that_nobody_imported_is_an_error_that_lists_those_that_are() -> None:
    """A typing error, most likely."""
    with pytest.raises(LookupError, match=r"no agent 'retreiver'; those that are imported: .*retriever"):
        run_agent("retreiver", "go")


def test_an_object_that_can_be_awaited_is_an_agent_too() -> None:
    """A callable of any kind; whether it runs on the loop is seen from it."""

    class Shouter:
        async def __call__(self, step: StepInput, ctx: StepContext) -> StepOutput:
            return StepOutput(text=step.text.upper())

    agent("object", description="An object.")(Shouter())

    assert registry["object"].asynchronous
    assert registry["object"].module == __name__
    assert run_agent("object", "hey").output.text == "HEY"
