"""A step's memory of what a model has answered: a redelivered step does not pay twice."""

import hashlib
from typing import Any, cast

from app.dispatch.memos import Memos, decoded
from app.errors import Permanent
from app.model.llm import Reply

#: A character has up to six bytes in JSON, and a memo holds 64 KiB.
PART_CHARS = 10_000
#: Two million characters; no model answers that much, and a task has room for other things.
PARTS_MAX = 200
HASH_CHARS = 16


class KeptAnswers:
    """
    Answers among the memos of a step, long ones in several.

    What says how many parts there are is written last, and parts go by the hash of the whole answer: what a crash left
    unfinished was never there, and is no part of the next answer. A person who has the step run again wants other
    answers than those it failed with: they are kept per `run`.
    """

    def __init__(self, memos: Memos, run: int = 0) -> None:
        self._memos = memos
        self._run = run

    async def recall(self, name: str) -> Reply | None:
        """The answer kept under the name, or `None`."""
        head = await self._memos.recall(self._key(name))
        if head is None:
            return None
        members = cast("dict[str, Any]", decoded(head))
        texts, of = [], members.pop("of")
        for number in range(members.pop("parts")):
            part = await self._memos.recall(self._key(name, of, number))
            if part is None:
                return None
            texts.append(str(decoded(part)))
        return Reply(text="".join(texts), **members)

    async def keep(self, name: str, reply: Reply) -> None:
        """Keeps the answer; one for which a task has no room is asked for again when the step runs again."""
        parts = [reply.text[start : start + PART_CHARS] for start in range(0, len(reply.text), PART_CHARS)]
        if len(parts) > PARTS_MAX:
            return
        of = hashlib.sha256(reply.text.encode()).hexdigest()[:HASH_CHARS]
        members = reply.model_dump(exclude={"text"}) | {"parts": len(parts), "of": of}
        try:
            for number, part in enumerate(parts):
                await self._memos.keep(self._key(name, of, number), part)
            await self._memos.keep(self._key(name), members)
        except Permanent:
            return

    def _key(self, name: str, *part: object) -> str:
        return ":".join(map(str, ("llm", self._run, name, *part)))
