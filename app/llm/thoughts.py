"""Some models think aloud between `<think>` and `</think>` before they answer; that is no part of the answer."""

from typing import Literal

OPEN, CLOSE = "<think>", "</think>"


class Thoughts:
    """Takes a text in pieces and gives back what belongs to the answer."""

    def __init__(self) -> None:
        self._held = ""
        #: What is looked for: the beginning of thoughts, their end, the first word behind them.
        self._state: Literal["before", "thinking", "behind", "answering"] = "before"

    def without(self, piece: str) -> str:
        """The next piece of the answer; empty while the model thinks, or may be about to."""
        if self._state == "answering":
            return piece
        self._held += piece
        if self._state == "before" and self._held.lstrip().startswith(OPEN):
            self._state = "thinking"
        if self._state == "thinking":
            _, closed, behind = self._held.partition(CLOSE)
            self._state = "behind" if closed else "thinking"
            self._held = behind if closed else self._held[-len(CLOSE) :]
        if self._state == "behind" and self._held.strip():
            return self._release(self._held.lstrip())
        if self._state == "before" and not OPEN.startswith(self._held.lstrip()):
            return self._release(self._held)
        return ""

    def rest(self) -> str:
        """At the end: what was held back and is no thought."""
        return self._release(self._held) if self._state == "before" else ""

    def _release(self, text: str) -> str:
        self._held, self._state = "", "answering"
        return text
