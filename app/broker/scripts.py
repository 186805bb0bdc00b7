"""
Lua scripts from package files: loading, composing, calling.

A script is one `.lua` file in the `lua` folder of a package. Its first line is the shebang, which
Redis accepts only as the very first line, so included library files are put right behind it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    import redis

ScriptArgument = str | bytes | int | float


@dataclass(frozen=True, slots=True)
class Script:
    """A complete script as it is sent to the server."""

    name: str
    source: str
    sha1: str


def load_script(package: str, filename: str, includes: Sequence[str] = ()) -> Script:
    """
    Reads `lua/<filename>` of `package` and puts the `includes` between its shebang and its body.

    An include is a file of the same package, or `other.package:file.lua`. Raises `ValueError` for a
    script without a shebang: then Redis would refuse it when memory is short, and run it across slots.
    """
    shebang, _, body = _read(package, filename).partition("\n")
    if not shebang.startswith("#!lua"):
        raise ValueError(f"{filename} does not begin with #!lua")
    parts = [shebang, *(_read(*_place(package, include)) for include in includes), body]
    source = "\n".join(parts)
    sha1 = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(filename.removesuffix(".lua"), source, sha1)


def run_script(client: "redis.Redis", script: Script, keys: Sequence[str], args: Sequence[ScriptArgument] = ()) -> Any:
    """Calls the script by its hash, and by its text where the server does not know it yet."""
    try:
        return command(client, "EVALSHA", script.sha1, len(keys), *keys, *args)
    except NoScriptError:
        return command(client, "EVAL", script.source, len(keys), *keys, *args)


def command(client: "redis.Redis", *args: ScriptArgument) -> Any:
    """One command as it is written; the driver's own methods drop parts of some replies."""
    return client.execute_command(*args)  # type: ignore[no-untyped-call]


def _place(package: str, include: str) -> tuple[str, str]:
    other, colon, filename = include.rpartition(":")
    return (other, filename) if colon else (package, include)


def _read(package: str, filename: str) -> str:
    return files(package).joinpath("lua", filename).read_text(encoding="utf-8")
