"""Lets a language model write, for as long as there is time, and says what became of it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import anyio

from actors.tools.drafting.brief import Brief
from actors.tools.drafting.cutter import Cutter, Drafted, Heading
from app.errors import AgentError, LlmUnusable, Permanent, Retryable
from app.model.llm import Llm, Pieces

TOKENS_MAX = 1_500
CHARS_MAX = 20_000  # more than these tokens can be; a server that counts otherwise ends here
TOO_LONG = "llm_context_too_long"
CALL = "report"  # the name of the one call: a step that runs again is answered from memory


@dataclass(slots=True)
class Dictation:
    """
    One answer of a model, in sentences, while `left_s()` lasts; `last` says that there is no later attempt.

    `trouble` says why it ended early, if it did; `too_long` that the model has no room for the brief.
    """

    llm: Llm
    brief: Brief
    left_s: Callable[[], float]
    last: bool = False
    trouble: str = ""
    too_long: bool = False

    async def parts(self) -> AsyncGenerator[Heading | Drafted]:
        """
        What the model writes, as it writes it.

        That the model is busy (`RateLimited`) or away (`Retryable`) is for dispatch, which runs the step again, as long
        as there are attempts left. Whatever else it refuses is trouble: asking again would change nothing.
        """
        cutter = Cutter()
        async with aclosing(self._pieces()) as pieces:
            async for piece in pieces:
                for part in cutter.feed(piece):
                    yield part
        for part in cutter.end(cut_off=bool(self.trouble)):
            yield part

    async def _pieces(self) -> AsyncGenerator[str]:
        chars = 0
        async with aclosing(self.llm.stream(self.brief.messages, name=CALL, tokens_max=TOKENS_MAX)) as pieces:
            while (piece := await self._next(pieces)) is not None:
                # Read to its end all the same: only a whole answer is remembered.
                if chars < CHARS_MAX:
                    yield piece[: CHARS_MAX - chars]
                chars += len(piece)
        if not self.trouble and (chars > CHARS_MAX or (pieces.reply and pieces.reply.finish == "length")):
            self.trouble = "is cut off"

    async def _next(self, pieces: Pieces) -> str | None:
        """The next piece; `None` behind the last one, or when there is trouble."""
        try:
            # Only this wait: what is done with the piece is not the model's to interrupt.
            with anyio.move_on_after(self.left_s()):
                return await anext(pieces, None)
        except LlmUnusable as error:
            self.trouble, self.too_long = f"could not be used ({error})", error.code == TOO_LONG
            return None
        except (Permanent, Retryable) as error:
            if not self._is_final(error):
                raise
            self.trouble = f"is not to be had ({error})"
            return None
        self.trouble = "took too long"
        return None

    def _is_final(self, error: AgentError) -> bool:
        return self.last or isinstance(error, Permanent)
