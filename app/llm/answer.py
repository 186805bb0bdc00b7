"""An answer that is being given: its text so far, how it ended, what it took."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from app.llm.options import LlmOptions
from app.llm.thoughts import Thoughts
from app.model.llm import Finish, Reply

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

#: More tokens than any answer has: a count beyond is a server's mistake, and none.
TOKENS_MAX = 10**9

FINISHES: dict[str, Finish] = {"stop": "stop", "length": "length"}


class Answer:
    """Gathers what a server sends, whatever it leaves out: servers differ in what they send at all."""

    def __init__(self, options: LlmOptions) -> None:
        self.asked = self.over = self.finished = False
        self.ttft_ms: int | None = None
        self._options = options
        self._began_s = 0.0
        self._ms = 0
        self._texts: list[str] = []
        self._finish: Finish = "other"
        self._usage: dict[str, int] = {}
        self._thoughts = Thoughts()

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began_s

    def begin(self) -> None:
        """Its time begins."""
        self._began_s = time.monotonic()

    def end(self) -> None:
        """It is complete."""
        self.over = True
        self._ms = round(self.age_s * 1000)

    def take(self, chunk: "ChatCompletionChunk") -> str:
        """The piece of text in a part of the stream; empty when there is none."""
        self.asked = True
        # The SDK checks nothing: what its types promise may be missing, or be something else.
        if usage := getattr(chunk.usage, "model_dump", None):
            self._count(usage(warnings=False))
        choices: object = chunk.choices
        choice = choices[0] if isinstance(choices, list) and choices else None
        if reason := getattr(choice, "finish_reason", None):
            self._end_with(reason)
        delta = getattr(choice, "delta", None)
        text = getattr(delta, "content", None)
        thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        if (text or thought) and self.ttft_ms is None:
            self.ttft_ms = round(self.age_s * 1000)
        return self._keep(self._thoughts.without(text)) if isinstance(text, str) else ""

    def take_whole(self, found: Mapping[str, Any]) -> str:
        """The text of an answer that came in one piece, of which only the outermost form is known."""
        self.asked = True
        choices = found.get("choices")
        choice = _mapping(choices[0] if isinstance(choices, list) and choices else None)
        self._count(_mapping(found.get("usage")))
        self._end_with(choice.get("finish_reason") or "stop")
        text = _mapping(choice.get("message")).get("content")
        kept = self._keep(self._thoughts.without(text)) if isinstance(text, str) else ""
        return kept + self.rest()

    def rest(self) -> str:
        """What was held back until the end."""
        return self._keep(self._thoughts.rest())

    def reply(self) -> Reply:
        """The answer as far as it goes."""
        reply = Reply(
            text="".join(self._texts),
            model=self._options.model,
            input_tokens=self._usage.get("prompt_tokens"),
            output_tokens=self._usage.get("completion_tokens"),
            cached_tokens=self._usage.get("cached_tokens"),
            ms=self._ms if self.over else round(self.age_s * 1000),
            ttft_ms=self.ttft_ms,
            finish=self._finish,
        )
        return reply.model_copy(update={"usd": self._options.usd(reply)})

    def _keep(self, text: str) -> str:
        # Half of a character (a lone surrogate) can be neither hashed nor sent on.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if text:
            self._texts.append(text)
        return text

    def _end_with(self, reason: object) -> None:
        self.finished = True
        self._finish = FINISHES.get(str(reason), "other")

    def _count(self, usage: Mapping[str, Any]) -> None:
        found = {
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "cached_tokens": _mapping(usage.get("prompt_tokens_details")).get("cached_tokens"),
        }
        self._usage |= {name: count for name, count in found.items() if _is_count(count)}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and 0 <= value <= TOKENS_MAX
