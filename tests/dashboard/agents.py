"""Agents whose tasks have something to look at: they fail, wait, write, grow and take their time."""

import os
from pathlib import Path

import anyio

from actors.agent import Permanent, RateLimited, Retryable, StepContext, StepInput, StepOutput, agent

REPORTS_MAX = 5
STEADY_PER_S = 50
WORDS = "The crawl found many things that are worth knowing, and each of them was looked at twice.\n\n"


def gate(name: str) -> anyio.Path:
    """A file beside the ledger that a test makes when something may go on."""
    return anyio.Path(Path(os.environ["E2E_LEDGER"]).parent / name)


@agent("noop")
async def noop(step: StepInput, ctx: StepContext) -> StepOutput:
    return StepOutput(summary=step.text)


@agent("flaky", backoff_ms=150, backoff_ms_max=300)
async def flaky(step: StepInput, ctx: StepContext) -> StepOutput:
    """Fails twice, then works."""
    await ctx.progress(ctx.attempt, 3, f"try {ctx.attempt}")
    await anyio.sleep(0.05)
    if ctx.attempt < 3:
        raise Retryable("the search service answered 503")
    return StepOutput(summary="found 12 pages")


@agent("gated", timeout_ms=60_000, gathers=True)
async def gated(step: StepInput, ctx: StepContext) -> StepOutput:
    """Works until a file of its text's name appears beside the ledger."""
    tries = 0
    while not await gate(step.text).exists():
        tries += 1
        if tries <= REPORTS_MAX:
            await ctx.progress(tries, None, f"reading part {tries}")
        await anyio.sleep(0.05)
    return StepOutput(summary=f"read {tries} parts")


@agent("hopeless")
async def hopeless(step: StepInput, ctx: StepContext) -> StepOutput:
    """Fails for good unless a file of its text's name lies beside the ledger."""
    if await gate(step.text).exists():
        return StepOutput(summary="there was hope", text="# Hope\n\nThere *was* some.")
    raise Permanent("The index `papers` does not exist; create it first.", code="no_index")


@agent("doomed")
async def doomed(step: StepInput, ctx: StepContext) -> StepOutput:
    """As `hopeless`, for tests that must be the only ones with such failures."""
    return await hopeless(step, ctx)


@agent("limited")
async def limited(step: StepInput, ctx: StepContext) -> StepOutput:
    """Its provider asks for patience once."""
    if ctx.attempt == 1:
        raise RateLimited("too many requests", retry_after_ms=200)
    return StepOutput(summary="patience paid off")


@agent("grower")
async def grower(step: StepInput, ctx: StepContext) -> StepOutput:
    """Adds two steps below its own."""
    steps = [{"step_id": 1, "agent": "noop", "payload": "more"}, {"step_id": 2, "agent": "noop", "payload": "and more"}]
    return StepOutput(summary="two more", steps=steps)


@agent("scribe", timeout_ms=120_000)
async def scribe(step: StepInput, ctx: StepContext) -> StepOutput:
    """Writes its text piece by piece, `payload` times over; then waits for the file `written`, if its text says so."""
    text = "# A report\n\n"
    await ctx.delta(text)
    for _ in range(12):
        await ctx.delta(WORDS)
        text += WORDS
        await anyio.sleep(0.02)
    # Another process makes the file.
    while step.text == "wait" and not await gate("written").exists():  # noqa: ASYNC110
        await anyio.sleep(0.05)
    return StepOutput(summary="wrote it", text=text)


@agent("echo")
async def echo(step: StepInput, ctx: StepContext) -> StepOutput:
    """Whatever it is given becomes its text, its words and its progress: for texts that nobody may trust."""
    text = step.text + "\x07\x1b[31m"
    await ctx.progress(1, 1, text[:2000])
    await ctx.source(pid="p1", title=step.text[:500], uri=step.text[:500], score=1.0)
    await ctx.delta(text)
    source = {"number": 1, "pid": "p1", "title": step.text, "uri": step.text, "heading": step.text}
    return StepOutput(
        summary=step.text[:1000],
        text=text,
        data={"sources": [{**source, "quotes": [{"line": 1, "quote": step.text}]}]},
    )


@agent("chatty", timeout_ms=300_000)
async def chatty(step: StepInput, ctx: StepContext) -> StepOutput:
    """Reports as often as its text says."""
    for number in range(int(step.text)):
        await ctx.progress(number + 1, int(step.text), f"part {number + 1}")
    return StepOutput(summary="said it all")


@agent("steady", timeout_ms=600_000)
async def steady(step: StepInput, ctx: StepContext) -> StepOutput:
    """Tells something fifty times a second, as often as its text says: progress, and at times a word of its report."""
    began_s = anyio.current_time()
    for number in range(int(step.text)):
        if number % 10:
            await ctx.progress(number + 1, int(step.text), f"part {number + 1}")
        else:
            await ctx.delta("word ")
        await anyio.sleep_until(began_s + number / STEADY_PER_S)
    return StepOutput(summary="said it steadily")
