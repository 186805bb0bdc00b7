"""A step's memory of what a model has answered: a redelivered step does not pay twice."""

from typing import Any, cast

from app.dispatch.memos import Memos, decoded
from app.errors import Permanent
from app.model.llm import Reply

#: A character has up to six bytes in JSON, and a memo holds 64 KiB.
PART_CHARS = 10_000
#: Two million characters; no model answers that much, and a task has room for other things.
PARTS_MAX = 200


class KeptAnswers:
    """
    Answers among the memos of a step, long ones in several.

    The part that says how many there are is written last: what a crash left unfinished was never there. A person who
    has the step run again wants other answers than those it failed with: they are kept per `run`.
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
        texts = []
        for number in range(members.pop("parts")):
            part = await self._memos.recall(self._key(name, number))
            if part is None:
                return None
            texts.append(str(decoded(part)))
        return Reply(text="".join(texts), **members)

    async def keep(self, name: str, reply: Reply) -> None:
        """Keeps the answer; one for which a task has no room is asked for again when the step runs again."""
        parts = [reply.text[start : start + PART_CHARS] for start in range(0, len(reply.text), PART_CHARS)]
        if len(parts) > PARTS_MAX:
            return
        members = reply.model_dump(exclude={"text"}) | {"parts": len(parts)}
        try:
            for number, part in enumerate(parts):
                await self._memos.keep(self._key(name, number), part)
            await self._memos.keep(self._key(name), members)
        except Permanent:
            return

    def _key(self, name: str, part: int | None = None) -> str:
        return f"llm:{self._run}:{name}" if part is None else f"llm:{self._run}:{name}:{part}"
