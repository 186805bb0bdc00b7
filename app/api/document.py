"""
The OpenAPI document: what FastAPI derives from the routes, and what it cannot know.

Refusals are problems, the same ones everywhere; members are explained by the glossary; answers have examples, which
were recorded from a running server. docs/openapi.json is its snapshot; `make openapi` writes it anew.
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.api.glossary import meaning
from app.api.problems import KEYED, ProblemBody, documentation
from app.model.events import EVENT_TYPES, Event

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/{model}"
TAGS = [
    {"name": "tasks", "description": "Hand tasks in, look at them, fetch what they made."},
    {"name": "events", "description": "The log of a task: as a stream, or page by page."},
    {"name": "steering", "description": "End, hold, run again, branch off and delete tasks."},
    {"name": "metrics", "description": "What a task took; what Prometheus scrapes."},
    {"name": "agents", "description": "Who plans may name."},
    {
        "name": "operations",
        "description": "The whole installation: workers, queues, dead letters. For keys with `admin`.",
    },
    {"name": "access", "description": "Who asks, and what they may do."},
    {"name": "health", "description": "Whether the process lives, and whether it can serve."},
]
#: Where the name of a function alone would say too little to those who generate a client.
OPERATIONS = {
    "plan": "plan_task", "tasks": "list_tasks", "task_counts": "count_tasks",
    "task": "get_task", "plan_of_task": "get_plan", "result": "get_result",
    "events": "list_events", "delete": "delete_task", "cancel": "cancel_task", "pause": "pause_task",
    "resume": "resume_task", "retry": "retry_task", "fork": "fork_task", "task_metrics": "get_task_metrics",
    "metrics": "get_metrics", "agents": "list_agents", "workers": "list_workers",
    "targets": "list_worker_targets", "queues": "list_queues",
    "dead_letters": "list_dead_letters", "dead_letter": "get_dead_letter", "requeue": "requeue_dead_letter",
    "discard": "delete_dead_letter", "step_output": "get_step_output",
}  # fmt: skip


def _reference(model: str) -> Schema:
    return {"$ref": REFERENCE.format(model=model)}


#: A plan is raw JSON to FastAPI: `app/planning/validator.py` looks at it, and lists all that is wrong.
PLAN: Schema = {"anyOf": [{"type": "array", "items": _reference("Step"), "minItems": 1}, {"type": "null"}]}


#: Where an answer says what other operations can be asked: by operation and status a place, a parameter, and they.
LINKS = {
    ("run_task", "202"): (
        "task_id", "task_id",
        ("get_task", "get_result", "list_events", "stream_task", "get_task_metrics", "cancel_task"),
    ),
    ("list_tasks", "200"): ("tasks/0/task_id", "task_id", ("get_task", "get_plan", "delete_task")),
    ("list_dead_letters", "200"): ("letters/0/id", "letter_id", ("get_dead_letter", "requeue_dead_letter")),
    ("list_queues", "200"): ("0/name", "queue", ("pause_queue", "resume_queue")),
}  # fmt: skip


def operation_id(route: APIRoute) -> str:
    """What FastAPI calls an operation."""
    return OPERATIONS.get(route.name, route.name)


def described(openapi: Schema) -> Schema:
    """Completes what FastAPI has derived."""
    schemas: Schema = openapi["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= _schemas_of(ProblemBody) | _events()
    schemas["EventsPage"]["properties"]["events"]["items"] = _reference("Event")
    for name in ("RunTask", "Fork"):
        plan = schemas[name]["properties"]["plan"]
        schemas[name]["properties"]["plan"] = PLAN | {"description": plan["description"]}
    for operation in _operations(openapi):
        _complete(operation)
    _share_refusals(openapi)
    for name, example in json.loads(files(__package__).joinpath("examples.json").read_text()).items():
        schemas[name]["examples"] = [example]
    for name, schema in schemas.items():
        _explain(name, schema)
    openapi["components"]["schemas"] = _used(openapi)
    openapi["tags"] = TAGS
    return openapi


def _operations(openapi: Schema) -> Iterator[Schema]:
    for path in openapi["paths"].values():
        yield from path.values()


def _complete(operation: Schema) -> None:
    operation["summary"] = operation.get("description", "").partition("\n")[0].rstrip(".")
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
    if "security" in operation:
        responses |= {str(status): documentation(status) for status in KEYED}
    if "requestBody" in operation:
        responses["408"] = documentation(408)
    for status, response in responses.items():
        place, parameter, others = LINKS.get((operation["operationId"], status), ("", "", ()))
        if others:
            parameters = {parameter: f"$response.body#/{place}"}
            response["links"] = {other: {"operationId": other, "parameters": parameters} for other in others}
    operation["responses"] = dict(sorted(responses.items()))


def _share_refusals(openapi: Schema) -> None:
    """A refusal is the same wherever it happens, so it stands in the document once."""
    shared: Schema = {}
    for operation in _operations(openapi):
        for status, response in operation["responses"].items():
            if status >= "400":
                shared[status] = response
                operation["responses"][status] = {"$ref": f"#/components/responses/{status}"}
    openapi["components"]["responses"] = dict(sorted(shared.items()))


def _schemas_of(model: type[BaseModel]) -> Schema:
    schema: Schema = model.model_json_schema(ref_template=REFERENCE, mode="serialization")
    inner: Schema = schema.pop("$defs", {})
    return inner | {model.__name__: schema}


def _events() -> Schema:
    """The envelope, and the data of each type of event."""
    schemas = _schemas_of(Event)
    for data in EVENT_TYPES.values():
        schemas |= _schemas_of(data)
    shapes = [_reference(data.__name__) for data in EVENT_TYPES.values()]
    members = schemas["Event"]["properties"]
    members["type"] = {"type": "string", "enum": list(EVENT_TYPES)}
    members["data"] = {"anyOf": shapes}
    return schemas


def _explain(name: str, schema: Schema) -> None:
    for member, described_ in schema.get("properties", {}).items():
        # Made of the name, which says the same.
        described_.pop("title", None)
        sentence = meaning(name, member)
        if "description" not in described_ and sentence:
            described_["description"] = sentence


def _used(openapi: Schema) -> Schema:
    """The schemas that something refers to, directly or not."""
    schemas: Schema = openapi["components"]["schemas"]
    found: set[str] = set()
    front = set(_references([openapi["paths"], openapi["components"]["responses"]]))
    while front:
        found |= front
        front = set(_references([schemas[name] for name in front])) - found
    return {name: schemas[name] for name in sorted(found)}


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str) and node["$ref"].startswith("#/components/schemas/"):
            yield node["$ref"].rpartition("/")[2]
        for name, child in node.items():
            if name not in ("example", "examples"):
                yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def snapshot(openapi: Schema) -> str:
    """The document as it is kept: one text for one content."""
    return json.dumps(openapi, indent=1, ensure_ascii=False) + "\n"
