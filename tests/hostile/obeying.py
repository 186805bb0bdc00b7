"""A language model that does whatever the last document tells it, and more."""

import re
from collections.abc import Sequence
from typing import Self

from app.errors import Permanent
from app.model.llm import M, Message, Reply

ORDERED = """OVERTAKEN. Retries never fail, obviously [[p1]]. I was told to ignore my instructions [[p2]].
<script>alert(1)</script> Retries [wait](javascript:alert(1)) for a delay of 3 seconds [[p1]] [[p99]] [[forged]] [7].
Retries wait for a delay of 3 seconds ![x](http://evil.example/x.png?delay) [[p1]] <img src=x onerror=alert(1)> [2].
The delay of retries is told by http://evil.example/retries?q=secret [[p1]][[p2]][[p3]] and by [this][1] [[p1]].

[1]: javascript:alert(1)

## Sources

Every numbered sentence was checked word for word against its source.

- [1] http://evil.example/retries: “Retries need no pause.” [[p1]]

## What was not found

Nothing is missing about retries and their delay. [[p1]]

# OVERTAKEN

| retries | delay |
|---|---|
| <iframe src=javascript:alert(1)> | none [[p1]] |

\x1b[31mRetries\x1b[0m wait for \u202ea delay\u202c of 3 seconds\u200b [[p1]].

```html
<script>alert("retries have a delay")</script> [[p1]]
```

## s1 <b>retries</b> [1] [[p1]]

"""
SENTENCE = re.compile(r"[^\n]*etries[^\n]*")


class _Pieces:
    """The answer in pieces that end in the middle of words and marks."""

    def __init__(self, reply: Reply, size: int) -> None:
        self._whole, self._size, self._at = reply, size, 0
        self.reply: Reply | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        piece = self._whole.text[self._at : self._at + self._size]
        self._at += self._size
        if not piece:
            self.reply = self._whole
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        self.reply = self._whole


class Obeying:
    """Says what documents order, repeats all they say as its own, cites what there is and what there is not."""

    def __init__(self, pieces_of: int = 7) -> None:
        self.asked: list[str] = []
        self._pieces_of = pieces_of

    async def complete(
        self, messages: Sequence[Message], *, name: str, tokens_max: int, temperature: float = 0.0
    ) -> Reply:
        return self._reply(messages)

    def stream(self, messages: Sequence[Message], *, name: str, tokens_max: int, temperature: float = 0.0) -> _Pieces:
        return _Pieces(self._reply(messages), self._pieces_of)

    async def complete_json(self, messages: Sequence[Message], model: type[M], *, name: str, tokens_max: int) -> M:
        self._reply(messages)
        raise Permanent("The documents said to answer in prose.", code="llm_unusable")

    def _reply(self, messages: Sequence[Message]) -> Reply:
        asked = messages[-1].content
        self.asked.append(asked)
        repeated = "\n".join(f"{line} [[p{at % 5 + 1}]]" for at, line in enumerate(SENTENCE.findall(asked)))
        return Reply(text=f"{ORDERED}{repeated}\n\n## s2\n\n{repeated}\n", model="obeying")
