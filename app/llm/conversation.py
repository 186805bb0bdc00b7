"""What a step, or a planner, sees of the model: its calls are told, remembered and bounded."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Self

from app.errors import LlmUnusable
from app.llm.answer import Answer
from app.llm.memory import Memory, NoMemory, Report
from app.llm.question import Question
from app.llm.structured import Unfit, bounded_schema, read, repair
from app.llm.traces import chatting
from app.model.events import LlmUsage
from app.model.llm import M, Message, Reply
from app.tracing.tracer import NO_TRACER, Tracer

#: What was remembered is given out in pieces of about this many characters.
PIECE_CHARS = 200
HASH_CHARS = 32

#: An answer to be, and its pieces.
Ask = Callable[[Question], tuple[Answer, AsyncGenerator[str]]]


class Conversation:
    """`Llm` for one step: `report` is told of each call to the model, `memory` answers a step that runs again."""

    def __init__(
        self, ask: Ask, model: str, report: Report, memory: Memory | None = None, tracer: Tracer = NO_TRACER
    ) -> None:
        self._ask = ask
        self._model = model
        self._report = report
        self._memory = memory or NoMemory()
        self._tracer = tracer
        self._open: list[Streamed] = []

    async def complete(
        self, messages: Sequence[Message], *, name: str, tokens_max: int, temperature: float = 0.0
    ) -> Reply:
        """See `Llm.complete`."""
        return await self._whole(Question(tuple(messages), tokens_max, temperature), name)

    def stream(
        self, messages: Sequence[Message], *, name: str, tokens_max: int, temperature: float = 0.0
    ) -> "Streamed":
        """See `Llm.stream`."""
        streamed = Streamed(lambda into: self._told(Question(tuple(messages), tokens_max, temperature), name, into))
        self._open.append(streamed)
        return streamed

    async def complete_json(self, messages: Sequence[Message], model: type[M], *, name: str, tokens_max: int) -> M:
        """See `Llm.complete_json`."""
        schema = bounded_schema(model)
        question = Question(tuple(messages), tokens_max, schema=schema)
        reply = await self._whole(question, name)
        try:
            return read(reply, model)
        except Unfit as unfit:
            again = Question((*messages, *repair(reply, unfit)), tokens_max, schema=schema)
        try:
            return read(await self._whole(again, name), model)
        except Unfit as unfit:
            raise LlmUnusable(f"The model answered twice with what cannot be used. {unfit}") from unfit

    async def aclose(self) -> None:
        """Ends streams that nobody has read to their end."""
        for streamed in self._open:
            await streamed.aclose()

    async def _whole(self, question: Question, name: str) -> Reply:
        streamed = Streamed(lambda into: self._told(question, name, into))
        async for _ in streamed:
            pass
        assert streamed.reply is not None  # noqa: S101  # set before the last piece; this is for the type checker
        return streamed.reply

    async def _told(self, question: Question, name: str, into: "Streamed") -> AsyncGenerator[str]:
        memo = f"{name}:{question.sha256(self._model)[:HASH_CHARS]}"
        known = await self._memory.recall(memo)
        if known is not None:
            into.reply = known
            for start in range(0, len(known.text), PIECE_CHARS):
                yield known.text[start : start + PIECE_CHARS]
            return
        answer, asked = self._ask(question)
        try:
            async with aclosing(self._traced(question, name, answer, asked)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            # Also what broke off, or was stopped by the reader, has cost something.
            if answer.asked:
                await self._report(_usage(answer.reply(), name))
        into.reply = answer.reply()
        await self._memory.keep(memo, into.reply)

    async def _traced(
        self, question: Question, name: str, answer: Answer, asked: AsyncGenerator[str]
    ) -> AsyncGenerator[str]:
        with chatting(self._tracer, self._model, question, name, answer):
            async with aclosing(asked) as pieces:
                async for piece in pieces:
                    yield piece


class Streamed:
    """`Pieces` of an answer; see there."""

    def __init__(self, open_with: "Callable[[Streamed], AsyncGenerator[str]]") -> None:
        self.reply: Reply | None = None
        self._pieces = open_with(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        """Stops the model, if it is still writing."""
        await self._pieces.aclose()


def _usage(reply: Reply, name: str) -> LlmUsage:
    return LlmUsage(
        name=name,
        model=reply.model,
        input_tokens=reply.input_tokens,
        output_tokens=reply.output_tokens,
        cached_tokens=reply.cached_tokens,
        usd=reply.usd,
        ms=reply.ms,
        ttft_ms=reply.ttft_ms,
    )
