"""
Asks a model: one way for whole answers and streams, so that both have the same limits.

Every answer is taken as a stream. That shows whether the server is at work, how long its first token took and how
much it sends; a server that knows no streams is understood as well.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import httpx2
import openai
import orjson
from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletionChunk

from app.errors import Permanent, Retryable
from app.llm.answer import Answer
from app.llm.http import http_client
from app.llm.options import LlmOptions
from app.llm.question import LESSONS_MAX, Dialect, Question
from app.llm.refusals import BASE_URL, said_by, translated

#: Behind the last piece only the count of the tokens is missing; some servers do not close.
FAREWELL_S = 5.0
FAULTS = (openai.OpenAIError, httpx2.HTTPError, ValueError)

Chunks = AsyncStream[ChatCompletionChunk]


class LlmClient:
    """The way of one process to its model; at most `concurrency_max` answers are under way, the others wait."""

    def __init__(self, options: LlmOptions) -> None:
        self.options = options
        self._places = asyncio.Semaphore(options.concurrency_max)
        self._dialect = Dialect()
        # The key is put in below the SDK, which so can neither log it nor look for another one.
        self._sdk = AsyncOpenAI(
            base_url=options.base_url, api_key="unused", max_retries=0, http_client=http_client(options)
        )

    @property
    def places_free(self) -> int:
        """How many calls could begin at once."""
        return self._places._value

    async def aclose(self) -> None:
        """Closes the connections; answers under way fail."""
        await self._sdk.close()

    async def models(self) -> list[str]:
        """The models the server says it has; raises as `ask`."""
        try:
            async with asyncio.timeout(self.options.connect_s):
                return [str(model.id) async for model in self._sdk.models.list()]
        # The SDK trips in its own ways over what is no list of models.
        except Exception as error:
            raise translated(error, self.options.api_key) from error

    async def ask(self, question: Question, answer: Answer) -> AsyncGenerator[str]:
        """
        The pieces of the answer, which `answer` gathers.

        Raises `RateLimited`, `Retryable`, `Permanent` (`LlmUnusable` for a question longer than the model can read).
        Close it when you stop early: until then it holds one of the places.
        """
        until_s = time.monotonic() + self.options.total_s
        await self._take_place()
        try:
            answer.begin()
            chunks = await self._begin(question, until_s)
            async with chunks, aclosing(self._pieces(chunks, answer, until_s)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._places.release()
        answer.end()

    async def _take_place(self) -> None:
        try:
            async with asyncio.timeout(self.options.total_s):
                await self._places.acquire()
        except TimeoutError as error:
            raise Retryable("Too many calls to the model wait already.", code="llm_busy") from error

    async def _begin(self, question: Question, until_s: float) -> Chunks:
        for _ in range(LESSONS_MAX + 1):
            asked = self._dialect.request(question, self.options.model)
            try:
                async with asyncio.timeout(min(self.options.first_token_s, until_s - time.monotonic())):
                    return await self._sdk.chat.completions.create(**asked)  # type: ignore[no-any-return]
            except TimeoutError as error:
                raise self._late("did not begin to answer", self.options.first_token_s) from error
            except openai.APIStatusError as error:
                if not self._dialect.learn(asked, error.status_code, said_by(error)):
                    raise translated(error, self.options.api_key) from error
            except FAULTS as error:
                raise translated(error, self.options.api_key) from error
        raise Permanent("The model's server refuses every form of the request.", code="llm_refused")

    async def _pieces(self, chunks: Chunks, answer: Answer, until_s: float) -> AsyncGenerator[str]:
        media_type = chunks.response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "text/event-stream":
            yield answer.take_whole(await self._whole(chunks, media_type, until_s))
            return
        while (piece := await self._next(chunks, answer, until_s)) is not None:
            if piece:
                yield piece
        if not answer.finished:
            raise Retryable("The model's server broke its answer off.", code="llm_broken_answer")
        if piece := answer.rest():
            yield piece

    async def _next(self, chunks: Chunks, answer: Answer, until_s: float) -> str | None:
        """The text of the next part of the stream, `None` at its end; raises `Retryable` when it is late or broken."""
        wait_s = FAREWELL_S if answer.finished else self._patience_s(answer)
        try:
            async with asyncio.timeout(min(wait_s, until_s - time.monotonic())):
                chunk = await anext(chunks, None)
            return None if chunk is None else answer.take(chunk)
        except TimeoutError as error:
            if answer.finished:
                return None
            raise self._late("fell silent", wait_s) from error
        # A part may be any JSON, and the SDK checks none of it.
        except Exception as error:
            raise translated(error, self.options.api_key) from error

    def _patience_s(self, answer: Answer) -> float:
        if answer.ttft_ms is None:
            return max(0.0, self.options.first_token_s - answer.age_s)
        return self.options.stall_s

    async def _whole(self, chunks: Chunks, media_type: str, until_s: float) -> dict[str, Any]:
        """The answer of a server that sends it in one piece."""
        try:
            async with asyncio.timeout(min(self.options.total_s, until_s - time.monotonic())):
                body = await chunks.response.aread()
            found = orjson.loads(body) if media_type == "application/json" else None
        except TimeoutError as error:
            raise self._late("did not end its answer", self.options.total_s) from error
        except FAULTS as error:
            raise translated(error, self.options.api_key) from error
        if isinstance(found, dict) and isinstance(found.get("choices"), list):
            return found
        raise Permanent(
            f"What answers at {BASE_URL} is no chat completion but {media_type or 'of no type'}.", code="llm_not_openai"
        )

    def _late(self, what: str, limit_s: float) -> Retryable:
        return Retryable(f"The model's server {what} (limit {limit_s:g} s, or the total).", code="llm_timeout")
