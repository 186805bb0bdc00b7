"""
Runs transitions, and again where a passing fault allows it.

All transitions are one library of Redis functions (https://redis.io/docs/latest/develop/programmability/functions-intro/):
a script that is sent as text defines its helpers anew at each call, which costs about a third of a
transition. The library's name ends in the hash of its text, so versions live side by side. Where a server
takes no library, out of memory say, the same text runs as a script.

Every transition is handed the same five arguments first: tag, task id, random half of the event ids, name of
the shared stream, format of a message. See `lua/_task.lua`.
"""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Protocol

from dramatiq.message import Message
from redis import exceptions

from app.keys import Keys
from app.redis_async import patient, untold

Argument = str | bytes | int

#: What all transitions share, in the order they build on each other.
_SHARED = ("_task.lua", "_send.lua", "_flow.lua", "_hand.lua", "_accept.lua")
_FOLDER = files("app.dispatch").joinpath("lua")


@dataclass(frozen=True, slots=True)
class Transition:
    """One transition: `lua/<name>.lua`. Its first line is the shebang with its flags."""

    name: str
    flags: tuple[str, ...]
    body: str
    #: The whole as a script of its own, and its hash.
    script: str
    sha1: str


def transition(name: str) -> Transition:
    """Reads `lua/<name>.lua`."""
    shebang, _, body = _FOLDER.joinpath(f"{name}.lua").read_text(encoding="utf-8").partition("\n")
    flags = tuple(flag for flag in shebang.removeprefix("#!lua").strip().removeprefix("flags=").split(",") if flag)
    script = "\n".join([shebang, "local keys, argv = KEYS, ARGV", shared_source(), "begin(keys, argv)", body])
    return Transition(name, flags, body, script, hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest())


def shared_source() -> str:
    return "\n".join(_FOLDER.joinpath(name).read_text(encoding="utf-8") for name in _SHARED)


@dataclass(frozen=True, slots=True)
class Library:
    """All transitions as one library of functions."""

    name: str
    source: str

    @classmethod
    def load(cls) -> "Library":
        """Reads all transitions of the folder."""
        names = sorted(path.name.removesuffix(".lua") for path in _FOLDER.iterdir() if path.name.endswith(".lua"))
        return cls.of([transition(name) for name in names if not name.startswith("_")])

    @classmethod
    def of(cls, transitions: Sequence[Transition]) -> "Library":
        text = "\n".join([shared_source(), *(f"-- {t.name} {t.flags}\n{t.body}" for t in transitions)])
        name = f"stepstream_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
        functions = [_registered(t, f"{name}_{t.name}") for t in transitions]
        return cls(name, "\n".join([f"#!lua name={name}", shared_source(), *functions]))


def _registered(transition: Transition, name: str) -> str:
    flags = ", ".join(f"'{flag}'" for flag in transition.flags)
    return (
        f"redis.register_function{{function_name = '{name}', flags = {{{flags}}}, callback = function(keys, argv)\n"
        f"begin(keys, argv)\n{transition.body}\nend}}"
    )


def message_format() -> str:
    """
    An encoded Dramatiq message as a format of Lua's `string.format`, with eight places.

    Queue, actor, task id, steps, longest run in ms, further options (each begins with a comma), message id,
    timestamp in ms. Raises `ValueError` when the process has set an encoder that is not JSON.
    """
    message: Message[Any] = Message(
        queue_name="%s", actor_name="%s", args=("%s", "%s"), kwargs={},
        # Crashes of steps are counted by start.lua, per step and not per message.
        options={"count_crashes": False, "run_ms_max": "%s%s"}, message_id="%s", message_timestamp=0,
    )  # fmt: skip
    text = message.encode().decode(errors="replace").replace('"%s%s"', "%s%s")
    head, found, tail = text.rpartition('"message_timestamp":')
    if not found or text.count("%") != 7 or not tail.lstrip().startswith("0"):
        raise ValueError("Dispatch needs Dramatiq's JSON encoder: its scripts write messages themselves.")
    return f"{head}{found}%s{tail.lstrip()[1:]}"


class Commands(Protocol):
    """A way to Redis: a client, or the connection that all share."""

    async def execute_command(self, *words: Any) -> Any: ...


@dataclass(slots=True)
class ScriptRunner:
    """
    Calls transitions, and loads their library where the server does not know it yet.

    Every transition is idempotent, so a call whose reply was lost is sent again for at most `retry_ms_max`;
    then `Unavailable` is raised. `shared` is the stream of the layout `single`, else empty.
    """

    client: Commands
    keys: Keys
    retry_ms_max: int
    shared: str = ""
    on_retry: Callable[[], None] = untold
    _format: str = field(default_factory=message_format)
    _library: Library = field(default_factory=Library.load)

    async def __call__(self, transition: Transition, task_id: str, *args: Argument) -> list[Any]:
        """Runs a transition of a task, or with an empty id one that looks for its tasks."""
        head: list[Argument] = [self.keys.tag, task_id, random.getrandbits(16), self.shared, self._format]
        key = self.keys.task(task_id)
        return await patient(lambda: self._call(transition, key, [*head, *args]), self.retry_ms_max, self.on_retry)

    async def _call(self, transition: Transition, key: str, args: Sequence[Argument]) -> list[Any]:
        name = f"{self._library.name}_{transition.name}"
        try:
            reply = await self.client.execute_command("FCALL", name, 1, key, *args)
        except exceptions.ResponseError as error:
            if not is_unknown_function(error):
                raise
            reply = await self._call_unknown(transition, name, key, args)
        return list(reply)

    async def _call_unknown(self, transition: Transition, name: str, key: str, args: Sequence[Argument]) -> Any:
        try:
            await self.client.execute_command("FUNCTION", "LOAD", self._library.source)
        except exceptions.ResponseError as error:
            # Another process may have been first.
            if "already exists" not in str(error):
                return await self._evaluate(transition, key, args)
        return await self.client.execute_command("FCALL", name, 1, key, *args)

    async def _evaluate(self, transition: Transition, key: str, args: Sequence[Argument]) -> Any:
        try:
            return await self.client.execute_command("EVALSHA", transition.sha1, 1, key, *args)
        except exceptions.NoScriptError:
            return await self.client.execute_command("EVAL", transition.script, 1, key, *args)


def is_unknown_function(error: Exception) -> bool:
    return "Function not found" in str(error)
