"""The small decisions of the HTTP edge."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.problems import KINDS
from app.api.stream import TypeFilter, _chunks
from app.api.tasks import prefers_markdown
from app.errors import StepstreamError
from app.events.log import StoredEvent
from app.events.sse import frame
from app.main import create_app


@pytest.mark.parametrize(
    ("accept", "markdown"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("text/markdown", True),
        ("text/*", True),
        ("text/markdown, application/json;q=0.5", True),
        ("text/markdown;q=0.5, application/json", False),
        ("text/markdown;q=0.9, */*;q=0.8", True),
        ("text/html, */*", False),
        ("text/markdown;q=junk", False),
    ],
)
def test_an_accept_header_is_weighed(accept: str, markdown: bool) -> None:
    """Markdown is sent only to those who rank it above JSON."""
    assert prefers_markdown(accept) is markdown


@pytest.mark.parametrize(
    ("wanted", "passing"),
    [
        (None, {"step.started", "step.completed", "task.failed"}),
        ("", {"step.started", "step.completed", "task.failed"}),
        ("step.started", {"step.started", "task.failed"}),
        ("step.*", {"step.started", "step.completed", "task.failed"}),
        ("nothing", {"task.failed"}),
    ],
)
def test_a_filter_never_holds_back_the_end(wanted: str | None, passing: set[str]) -> None:
    """Names and prefixes select; terminal events pass always."""
    kinds = ("step.started", "step.completed", "task.failed")
    events = [StoredEvent(1, 0, json.dumps({"type": kind}).encode()) for kind in kinds]

    assert {event.type for event in events if TypeFilter(wanted)(event)} == passing


@given(st.lists(st.binary(min_size=1, max_size=40_000), max_size=12))
def test_frames_are_joined_without_loss(ready: list[bytes]) -> None:
    """Chunks put together are the frames put together, and no chunk is larger than it must be."""
    chunks = _chunks(ready)

    assert b"".join(chunks) == b"".join(ready)
    assert all(len(chunk) <= 64 << 10 or chunk in ready for chunk in chunks)


def test_a_line_break_cannot_split_a_frame() -> None:
    """White space between JSON tokens is dropped before it could end the data line."""
    body = frame("1-2", "a.b", b'{"a":\n1,\r"b":"x\\ny"}')

    assert body == b'id: 1-2\nevent: a.b\ndata: {"a":1,"b":"x\\ny"}\n\n'


def test_every_deliberate_error_has_a_status() -> None:
    """No error of the tree that can reach a route becomes a 500 by omission."""
    reaching = [error for error in StepstreamError.__subclasses__() if error.__module__.startswith("app.errors")]

    known = [error for error in reaching if error in KINDS]
    assert {error.__name__ for error in reaching} - {error.__name__ for error in known} == {"AgentError"}


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_the_openapi_document_is_complete() -> None:
    """Every reference resolves, every refusal is a problem document, every operation explains itself."""
    document = create_app().openapi()

    schemas = document["components"]["schemas"]
    assert {reference.removeprefix("#/components/schemas/") for reference in references(document)} <= set(schemas)
    assert "HTTPValidationError" not in schemas
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            refusals = {status: reply for status, reply in operation["responses"].items() if status >= "400"}
            assert all(set(reply["content"]) == {"application/problem+json"} for reply in refusals.values())
            assert operation["description"], (path, method)
    submission = document["paths"]["/run-task"]["post"]["responses"]
    assert set(submission) == {"202", "400", "413", "415", "422", "503"}
    assert set(document["paths"]["/stream/{task_id}"]["get"]["responses"]) == {"200", "204", "400", "404", "410", "503"}
