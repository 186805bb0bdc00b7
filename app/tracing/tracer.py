"""
What the program asks of tracing. It knows no more of it: this module imports nothing, and where nothing is traced
`NO_TRACER` does nothing.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

Value = str | int | float | bool | Sequence[str] | None
#: A value of `None` is left out.
Attributes = Mapping[str, Value]
Kind = Literal["internal", "server", "client", "producer", "consumer"]


@dataclass(frozen=True, slots=True)
class Begin:
    """
    A span as it begins.

    It lies below `parent`, a W3C traceparent with its tracestate, else below the span that is current. One with a
    `seed` has an id made of that and its trace, so that another process can link to it by `follows` without having
    been told its id; `links` are traceparents.

    What happens inside lies below it, unless it is not `current`: a generator must not have one that is, because at
    each `yield` it would be its reader's.
    """

    name: str
    kind: Kind = "internal"
    attributes: Attributes = field(default_factory=dict)
    parent: str | None = None
    tracestate: str = ""
    links: Sequence[str] = ()
    seed: str | None = None
    follows: str | None = None
    current: bool = True


class Span(Protocol):
    """A span under way. No text of a task, a document or a model belongs into it."""

    @property
    def traceparent(self) -> str | None:
        """What whoever continues the trace is handed; `None` where nothing is traced."""
        ...

    @property
    def recording(self) -> bool:
        """Whether it will be exported."""
        ...

    def rename(self, name: str) -> None: ...

    def set(self, attributes: Attributes) -> None: ...

    def fail(self, error_type: str) -> None:
        """Marks it as failed; an exception that ends it then adds nothing."""
        ...

    def excuse(self) -> None:
        """Whatever exception ends it is no failure."""
        ...

    def end(self) -> None:
        """Ends it before its block does."""
        ...


class Tracer(Protocol):
    """Begins spans."""

    @property
    def on(self) -> bool:
        """Whether anything is traced."""
        ...

    def keeps(self, parent: str | None = None) -> bool:
        """Whether a span below `parent`, else below the current one, may be kept: else it need not be told anything."""
        ...

    def span(self, begin: Begin) -> AbstractContextManager[Span]:
        """A span for the block below; it fails with an exception's type, never with its text."""
        ...


class _NoSpan(AbstractContextManager["_NoSpan"]):
    traceparent = None
    recording = False

    def __exit__(self, *_: object) -> None:
        return None

    def rename(self, name: str) -> None:
        pass

    def set(self, attributes: Attributes) -> None:
        pass

    def fail(self, error_type: str) -> None:
        pass

    def excuse(self) -> None:
        pass

    def end(self) -> None:
        pass


class _NoTracer:
    on = False

    def keeps(self, parent: str | None = None) -> bool:  # noqa: ARG002
        return False

    def span(self, begin: Begin) -> AbstractContextManager[Span]:  # noqa: ARG002
        return NO_SPAN


#: Of a span that is not kept; it is begun nevertheless, so that what lies below it is not kept either.
UNKEPT = Begin("unkept")
#: Stands where nothing is traced.
NO_SPAN = _NoSpan()
NO_TRACER: Tracer = _NoTracer()
