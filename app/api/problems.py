"""
Errors as `application/problem+json` (RFC 9457); the only place that knows which HTTP status an error becomes.

| problem              | status | when                                                     |
|----------------------|--------|----------------------------------------------------------|
| malformed-body       | 400    | the body is not JSON                                     |
| bad-cursor           | 400    | a position that no log or list can have given out        |
| key-in-url           | 400    | a key is sent in the URL                                 |
| key-needed           | 401    | the request needs a key and has none                     |
| key-refused          | 401    | the key is unknown, revoked or expired                   |
| scope-missing        | 403    | the key is good, but not for this                        |
| foreign-origin       | 403    | without a key: a page of another origin asks             |
| task-not-found       | 404    | no task with this id, or another tenant's                |
| queue-not-found      | 404    | no agent has this queue, and it was never used           |
| letter-not-found     | 404    | no such dead letter, or it is gone                       |
| output-not-found     | 404    | no such step, or it has left no output                   |
| body-too-slow        | 408    | the body did not come within `body_s_max`                |
| not-possible         | 409    | the task's state does not allow it                       |
| no-result            | 409    | the task failed or was cancelled: there is no result     |
| task-expired         | 410    | the task is older than the retention                     |
| body-too-large       | 413    | the body is larger than `body_bytes_max`                 |
| not-json             | 415    | the content type is not JSON                             |
| foreign-host         | 421    | without a key: the `Host` is none of this machine's      |
| idempotency-conflict | 422    | the idempotency key came before with another request     |
| invalid-request      | 422    | a rule is broken; `errors` lists every problem           |
| rate-limited         | 429    | the key has asked too often; see `Retry-After`           |
| too-many-streams     | 429    | the key has too many open streams                        |
| backlog-full         | 503    | too much work waits already; see `Retry-After`           |
| unavailable          | 503    | Redis is away or full; see `Retry-After`                 |

Whatever else HTTP can refuse has the type `about:blank` and the title of its status.
"""

from typing import Any

from pydantic import BaseModel

from app.access import errors as refusals
from app.errors import (
    BacklogFull,
    BadCursor,
    IdempotencyConflict,
    InvalidRequest,
    LetterNotFound,
    NotPossible,
    QueueNotFound,
    StepstreamError,
    TaskNotFound,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:stepstream:problem:"


class ErrorItem(BaseModel):
    """One thing that is wrong: in the body (`pointer`, RFC 6901) or in a parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemBody(BaseModel):
    """An error, as RFC 9457 describes one."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ErrorItem] | None = None


class MalformedBody(StepstreamError):
    """The body is not JSON."""


class NotJson(StepstreamError):
    """The body is not declared as JSON."""


class BodyTooSlow(StepstreamError):
    """The body did not come in time."""


class BodyTooLarge(StepstreamError):
    """The body is larger than this server takes."""


class TaskExpired(TaskNotFound):
    """The task was here and is no longer kept."""


class OutputNotFound(StepstreamError):
    """No such step, or it has left no output."""


class NoResult(StepstreamError):
    """The task ended without a result."""


#: Looked up along the error's classes, so the most specific one counts.
KINDS: dict[type[StepstreamError], tuple[int, str, str]] = {
    MalformedBody: (400, "malformed-body", "The body is not JSON"),
    BadCursor: (400, "bad-cursor", "Not a position in a log or a list"),
    refusals.KeyInUrl: (400, "key-in-url", "A key stands in the URL"),
    refusals.KeyNeeded: (401, "key-needed", "A key is needed"),
    refusals.KeyRefused: (401, "key-refused", "The key is not valid"),
    refusals.ScopeMissing: (403, "scope-missing", "The key is not for this"),
    refusals.ForeignOrigin: (403, "foreign-origin", "A page of another origin"),
    TaskNotFound: (404, "task-not-found", "No such task"),
    QueueNotFound: (404, "queue-not-found", "No such queue"),
    LetterNotFound: (404, "letter-not-found", "No such dead letter"),
    OutputNotFound: (404, "output-not-found", "No such output"),
    BodyTooSlow: (408, "body-too-slow", "The body came too slowly"),
    NotPossible: (409, "not-possible", "The task's state does not allow it"),
    NoResult: (409, "no-result", "The task has no result"),
    TaskExpired: (410, "task-expired", "The task has expired"),
    BodyTooLarge: (413, "body-too-large", "The body is too large"),
    NotJson: (415, "not-json", "The content type is not JSON"),
    refusals.ForeignHost: (421, "foreign-host", "Not a name of this machine"),
    IdempotencyConflict: (422, "idempotency-conflict", "The idempotency key belongs to another request"),
    InvalidRequest: (422, "invalid-request", "The request breaks a rule"),
    refusals.RateExceeded: (429, "rate-limited", "The key has asked too often"),
    refusals.TooManyStreams: (429, "too-many-streams", "The key has too many open streams"),
    BacklogFull: (503, "backlog-full", "Too much work waits"),
    Unavailable: (503, "unavailable", "Not available at the moment"),
}
#: What every route that asks for a scope may answer.
KEYED = (400, 401, 403, 421, 429, 503)
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
#: What comes with problems of a status, as OpenAPI describes it.
HEADERS: dict[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "What kind of key is asked for."}},
    429: {
        **_RETRY_AFTER,
        "RateLimit": {"schema": {"type": "string"}, "description": "What is left of the limit."},
        "RateLimit-Policy": {"schema": {"type": "string"}, "description": "The limit itself."},
    },
    503: _RETRY_AFTER,
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    return {status: documentation(status) for status in statuses}


def documentation(status: int) -> dict[str, Any]:
    """The response object of OpenAPI for all problems of a status."""
    kinds = [(name, title) for known, name, title in KINDS.values() if known == status]
    examples = {name: {"summary": title, "value": _example(status, name, title)} for name, title in kinds}
    return {
        "description": "; or: ".join(title for _, title in kinds),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}, "examples": examples}},
        **({"headers": HEADERS[status]} if status in HEADERS else {}),
    }


def _example(status: int, name: str, title: str) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": TYPE_PREFIX + name, "title": title, "status": status, "detail": title + ".", "instance": "/path",
    }  # fmt: skip
    if name == "invalid-request":
        example["errors"] = [{"pointer": "/plan/0/agent", "detail": "is not an agent"}]
    return example
