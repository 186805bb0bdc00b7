"""What a conversation needs of those who hold it: somebody to tell, and a place to remember."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from app.model.events import LlmUsage
from app.model.llm import Reply

Report = Callable[[LlmUsage], Awaitable[None]]


class Memory(Protocol):
    """What a step has been answered before."""

    async def recall(self, name: str) -> Reply | None:
        """The answer kept under the name."""
        ...

    async def keep(self, name: str, reply: Reply) -> None:
        """Keeps an answer, if it can."""
        ...


class NoMemory:
    """For calls that are never made again."""

    async def recall(self, _: str) -> Reply | None:
        return None

    async def keep(self, _: str, __: Reply) -> None:
        pass
