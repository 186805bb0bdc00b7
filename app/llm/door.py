"""
The model of one process, opened only where one is configured.

The SDK takes more than a second to import. So nothing imports the modules that need it before a door is opened, and a
process without a model never pays for it.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from app.errors import StepstreamError
from app.llm.memory import Memory, Report
from app.llm.options import LlmOptions
from app.llm.question import Question
from app.tracing.tracer import NO_TRACER, Tracer

if TYPE_CHECKING:
    from app.llm.client import LlmClient
    from app.llm.conversation import Conversation


class LlmExtraMissing(StepstreamError):
    """A model is configured, and what asks it is not installed."""

    def __init__(self) -> None:
        super().__init__("STEPSTREAM_LLM_BASE_URL is set; asking a model needs: pip install 'stepstream[llm]'")


def require_extra() -> None:
    """Raises `LlmExtraMissing`; costs nothing when all is there."""
    if find_spec("openai") is None:
        raise LlmExtraMissing


class LlmDoor:
    """Conversations with the model, over the connections of this process."""

    def __init__(self, client: "LlmClient", tracer: Tracer = NO_TRACER) -> None:
        self.client = client
        self._tracer = tracer

    def conversation(self, report: Report, memory: Memory | None = None) -> "Conversation":
        """For one step: `report` is told what each call takes, `memory` answers what was asked before."""
        from app.llm.answer import Answer
        from app.llm.conversation import Conversation

        client = self.client

        # What an agent is given holds no client, and no key, as an attribute.
        def ask(question: Question) -> tuple[Answer, AsyncGenerator[str]]:
            answer = Answer(client.options)
            return answer, client.ask(question, answer)

        return Conversation(ask, client.options.model, report, memory, self._tracer)


@asynccontextmanager
async def opened(options: LlmOptions | None, tracer: Tracer = NO_TRACER) -> AsyncIterator[LlmDoor | None]:
    """The door of a process, or `None` where no model is configured; raises `LlmExtraMissing`."""
    if options is None:
        yield None
        return
    require_extra()
    from app.llm.client import LlmClient

    client = LlmClient(options)
    try:
        yield LlmDoor(client, tracer)
    finally:
        await client.aclose()
