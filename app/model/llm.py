"""What is said to a language model and what it answers; `app/llm` has the client."""

from collections.abc import Sequence
from typing import Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "other"]

M = TypeVar("M", bound=BaseModel)


class Message(BaseModel):
    """One turn of a conversation. What is not ours (a task, a passage) is never `system`."""

    model_config = ConfigDict(frozen=True)

    role: Role
    content: str


class Reply(BaseModel):
    """
    What a model answered, and what it took.

    Tokens are `None` where the server does not count them, `usd` where the model has no price; `ttft_ms` is the time
    to the first piece of a stream. With `finish` at `length` the text is cut off.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    model: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    usd: float | None = None
    ms: int = 0
    ttft_ms: int | None = None
    finish: Finish = "stop"


class Pieces(Protocol):
    """A text in pieces, as the model writes it; `reply` is the whole of it, once the last piece was given out."""

    @property
    def reply(self) -> Reply | None: ...
    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> str: ...
    async def aclose(self) -> None: ...


class Llm(Protocol):
    """
    A language model as a step sees it.

    `name` is the call's within the step: the same call of a step that runs again is answered from memory and costs
    nothing. Each call to the model is told as `llm.usage`. All raise `RateLimited` and `Retryable`, which are best left
    to dispatch, and `Permanent` for a server that refuses what it is asked.
    """

    async def complete(
        self, messages: Sequence[Message], *, name: str, tokens_max: int, temperature: float = 0.0
    ) -> Reply:
        """The answer as a whole."""
        ...

    def stream(self, messages: Sequence[Message], *, name: str, tokens_max: int, temperature: float = 0.0) -> Pieces:
        """The answer in pieces; asks nothing before the first one is asked for."""
        ...

    async def complete_json(self, messages: Sequence[Message], model: type[M], *, name: str, tokens_max: int) -> M:
        """
        The answer as an instance of `model`, whose every field should be bounded; one repair turn.

        Raises `LlmUnusable` when it still is none, or is cut off.
        """
        ...
