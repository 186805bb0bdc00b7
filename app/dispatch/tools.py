"""The tools of agents, as far as others see them: by name, and by how long they take."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from app.tracing import names
from app.tracing.tracer import Begin, Tracer

#: Shows the block it is around under the tool's name.
Tool = Callable[[str], AbstractContextManager[None]]


@contextmanager
def using(tracer: Tracer, name: str) -> Iterator[None]:
    """While an agent uses a tool; in its loop or in a thread of its own."""
    if not tracer.keeps():
        yield
        return
    attributes = {
        names.GEN_AI_OPERATION: "execute_tool",
        names.GEN_AI_TOOL: name,
        names.GEN_AI_TOOL_TYPE: "function",
    }
    with tracer.span(Begin(f"execute_tool {name}", attributes=attributes)):
        yield


@contextmanager
def unseen(name: str) -> Iterator[None]:  # noqa: ARG001
    """The same where nobody looks."""
    yield
