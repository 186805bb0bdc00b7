"""Whether the user of a process may do all that it does, asked of the server without doing any of it."""

from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import NoPermissionError, ResponseError

from app.broker.scripts import command
from app.preflight.finding import Findings, fail, number, ok
from app.preflight.needs import Role, needed

#: Answers for each command, a line of words, whether the caller may run it
#: (https://redis.io/docs/latest/develop/programmability/lua-api/, since 7.0). Nothing is written to `ACL LOG`.
MAY = """#!lua flags=no-writes,allow-oom,allow-stale
local denied = {}
for _, line in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(line, '%S+') do
    words[#words + 1] = word
  end
  if not redis.acl_check_cmd(unpack(words)) then
    denied[#denied + 1] = line
  end
end
return denied"""
NAMED_MAX = 5


def denied(client: "redis.Redis", commands: Sequence[tuple[str, ...]]) -> list[str]:
    """Those of the commands that this user may not run; raises what the driver raises."""
    reply: list[Any] = command(client, "EVAL", MAY, 0, *(" ".join(words) for words in commands))
    return [line.decode() if isinstance(line, bytes) else str(line) for line in reply]


def permissions(client: "redis.Redis", role: Role, tag: str) -> Findings:
    """May a process of this role do all that it has to?"""
    try:
        missing = denied(client, list(needed(role, tag)))
    except NoPermissionError:
        missing = ["EVAL"]
    if not missing:
        yield ok("permissions", f"this user may do all that {role} processes do")
        return
    shown = "; ".join(missing[:NAMED_MAX]) + ("; ..." if len(missing) > NAMED_MAX else "")
    said = f"this user may not do what {role} processes do: {shown} ({number(len(missing), 'command')})"
    yield fail("permissions", said, f"give it the rules of the user `{role}` in deploy/redis/users.acl")


def may(client: "redis.Redis", *words: str) -> bool:
    """Whether this user may run one command; where the server does not tell, asking will."""
    try:
        return not denied(client, [words])
    except ResponseError:
        return True
