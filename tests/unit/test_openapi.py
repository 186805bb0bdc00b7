"""The OpenAPI document: complete, true to the pages, and the same as its snapshot."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from app.api.document import TAGS, snapshot
from app.api.problems import KINDS, TYPE_PREFIX
from app.main import create_app
from app.model.events import EVENT_TYPES

DOCS = Path(__file__).parent.parent.parent / "docs"
#: What any route may answer that asks for a key or has a body; the page says so once.
ANYWHERE = {"400", "401", "403", "408", "421", "429", "503"}
NO_BODY = {"204", "304"}

Node = dict[str, Any]


@pytest.fixture(scope="module")
def document() -> Node:
    return create_app().openapi()


def operations(document: Node) -> Iterator[tuple[str, Node]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def resolved(document: Node, node: Node) -> Node:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def test_the_snapshot_is_the_document(document: Node) -> None:
    """Whoever changes a route sees in the diff what clients will see; `make openapi` writes it anew."""
    assert (DOCS / "openapi.json").read_text() == snapshot(document), "run `make openapi` and look at the difference"


def test_every_operation_explains_itself(document: Node) -> None:
    """Name, sentence, known tag; each parameter, each answer and each header with a description."""
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    known = {tag["name"] for tag in TAGS}
    for name, operation in operations(document):
        assert operation["summary"], name
        assert operation["description"], name
        assert set(operation["tags"]) <= known, name
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (name, parameter["name"])
        for status, answer in operation["responses"].items():
            response = resolved(document, answer)
            assert response["description"], (name, status)
            assert all(header["description"] for header in response.get("headers", {}).values()), (name, status)


def test_every_member_is_explained(document: Node) -> None:
    """By its model or by the glossary (app/api/glossary.py)."""
    for name, schema in document["components"]["schemas"].items():
        assert schema.get("description") or name == "JsonValue", name
        for member, described in schema.get("properties", {}).items():
            assert described.get("description"), f"{name}.{member}"


def bodies(document: Node) -> Iterator[tuple[str, Node]]:
    """All bodies that are sent or come back, by a name, as media type objects."""
    for name, operation in operations(document):
        for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} {media_type}", body
        for status, response in operation["responses"].items():
            content = resolved(document, response).get("content", {})
            assert bool(content) == (status not in NO_BODY), (name, status)
            for media_type, body in content.items():
                yield f"{name} {status} {media_type}", body


def examples(document: Node, body: Node) -> list[Any]:
    """The examples of a body: its own, those of its schema, or of what its list holds."""
    schema = resolved(document, body.get("schema", {}))
    own = [example["value"] for example in body.get("examples", {}).values()]
    own += [body["example"]] if "example" in body else []
    if schema.get("type") == "array":
        inner = resolved(document, schema["items"])
        return own or [[example] for example in inner.get("examples", [])]
    return own or list(schema.get("examples", []))


def test_every_body_has_an_example_that_fits_its_schema(document: Node) -> None:
    """Requests, answers and problems; an example that has grown old would mislead."""
    for name, body in bodies(document):
        found = examples(document, body)
        assert found, name
        # A stream has a schema per item, which is not that of its text.
        schema = {**body.get("schema", {"type": "string"}), "components": document["components"]}
        validator = jsonschema_rs.validator_for(schema)
        for example in found:
            assert [error.message for error in validator.iter_errors(example)] == [], name


def test_refusals_are_problems_and_nothing_else(document: Node) -> None:
    """Each kind of problem is an example somewhere; 429 and 503 say when to come back."""
    seen: set[str] = set()
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            response = resolved(document, answer)
            if status < "400":
                continue
            assert set(response["content"]) == {"application/problem+json"}, (name, status)
            assert status not in ("429", "503") or "Retry-After" in response["headers"], (name, status)
            seen |= {example["type"] for example in examples(document, response["content"]["application/problem+json"])}
    assert seen == {TYPE_PREFIX + kind for _, kind, _ in KINDS.values()}


def test_every_reference_leads_somewhere_and_every_schema_is_used(document: Node) -> None:
    """No leftovers, nor the validation errors that FastAPI would send by itself."""
    text = json.dumps(document)
    referenced = set(re.findall(r'"#/components/schemas/(\w+)"', text))

    assert referenced == set(document["components"]["schemas"])
    assert "HTTPValidationError" not in text
    assert {data.__name__ for data in EVENT_TYPES.values()} <= referenced


def test_a_trace_can_be_sent_with_every_submission(document: Node) -> None:
    """`traceparent` stands among the headers, beside those that change the answer."""
    headers = {p["name"] for p in document["paths"]["/run-task"]["post"]["parameters"] if p["in"] == "header"}

    assert {"traceparent", "idempotency-key", "prefer", "accept"} <= {name.lower() for name in headers}


def rows() -> Iterator[tuple[str, set[str]]]:
    """The route table of docs/http.md: `GET /tasks/{}` and the statuses that stand behind it."""
    for line in (DOCS / "http.md").read_text().splitlines():
        if match := re.match(r"\| ([A-Z, ]+) (/\S*?)((?:, /\w+)*) \|.*\|(.*)\|$", line):
            methods, path, others, answers = match.groups()
            path = path.partition("?")[0]
            paths = [path, *(re.sub(r"/\w+$", other.strip(), path) for other in others.split(",") if other.strip())]
            for method in set(methods.split(", ")) - {"HEAD"}:
                for each in paths:
                    yield f"{method} {re.sub(r'{[^}]*}', '{}', each)}", set(re.findall(r"\b[2-5]\d\d\b", answers))


def test_the_page_and_the_document_name_the_same_routes_and_statuses(document: Node) -> None:
    """What docs/http.md says of a route is what the document says of it."""
    page = dict(rows())
    found = {re.sub(r"{[^}]*}", "{}", name): set(operation["responses"]) for name, operation in operations(document)}

    assert set(page) == set(found)
    for name in page:
        assert page[name] | ANYWHERE == found[name] | ANYWHERE, name
