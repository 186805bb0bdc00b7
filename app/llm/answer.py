"""An answer that is being given: its text so far, how it ended, what it took."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from app.llm.options import LlmOptions
from app.llm.thoughts import Thoughts
from app.model.llm import Finish, Reply

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionChunk

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
        if chunk.usage is not None:
            self._count(chunk.usage.model_dump())
        # Fields that the SDK's types promise may be missing all the same.
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        if choice.finish_reason:
            self._end_with(choice.finish_reason)
        text = getattr(choice.delta, "content", None)
        thought = getattr(choice.delta, "reasoning_content", None) or getattr(choice.delta, "reasoning", None)
        if (text or thought) and self.ttft_ms is None:
            self.ttft_ms = round(self.age_s * 1000)
        return self._keep(self._thoughts.without(text)) if isinstance(text, str) else ""

    def take_whole(self, found: Mapping[str, Any]) -> str:
        """The text of an answer that came in one piece."""
        self.asked = True
        choice = found["choices"][0]
        self._count(found.get("usage") or {})
        self._end_with(choice.get("finish_reason") or "stop")
        text = (choice.get("message") or {}).get("content")
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
        if text:
            self._texts.append(text)
        return text

    def _end_with(self, reason: str) -> None:
        self.finished = True
        self._finish = FINISHES.get(reason, "other")

    def _count(self, usage: Mapping[str, Any]) -> None:
        details = usage.get("prompt_tokens_details") or {}
        found = {
            "prompt_tokens": usage.get("prompt_tokens"),
            "completion_tokens": usage.get("completion_tokens"),
            "cached_tokens": details.get("cached_tokens") if isinstance(details, Mapping) else None,
        }
        self._usage |= {name: count for name, count in found.items() if isinstance(count, int) and count >= 0}
