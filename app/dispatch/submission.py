"""What a client asks for, and whether it may."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field

import orjson

from app.dispatch.intake import Idempotency
from app.errors import Problem
from app.model.output import TaskOutput
from app.model.plan import PlannerName
from app.model.task import Concurrency, Document, Moment
from app.planning.validator import PlanLimits
from app.web.options import WebOptions
from app.web.urls import BadUrl

DELAY_MS_MAX = 366 * 86_400_000
CONCURRENCY_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Submission:
    """A task as a client hands it in; `plan` is raw JSON and still to be checked."""

    task: str
    plan: object | None = None
    #: Who is to plan it, where there is no plan; `None` leaves it to the server.
    planner: PlannerName | None = None
    documents: tuple[Document, ...] = ()
    collection: str | None = None
    urls: tuple[str, ...] = ()
    web: bool = False
    output: TaskOutput = field(default_factory=TaskOutput)
    priority: int = 5
    labels: dict[str, str] = field(default_factory=dict)
    deadline: Moment | None = None
    not_before: Moment | None = None
    concurrency: Concurrency | None = None
    tenant: str = "default"
    idempotency_key: str | None = None
    traceparent: str | None = None

    def idempotency(self, documents_sha256: str | None) -> Idempotency | None:
        """What tells a repetition from another request under the same key."""
        if self.idempotency_key is None:
            return None
        request: dict[str, object] = {
            name: asdict(value) if isinstance(value, Moment | Concurrency) else value
            for name in ("task", "plan", "collection", "priority", "labels", "deadline", "not_before", "concurrency")
            if (value := getattr(self, name)) is not None
        }
        # What asks for nothing new is the request that it was before there was anything of it.
        later: dict[str, object] = {
            name: value for name in ("planner", "urls", "web") if (value := getattr(self, name))
        }
        if self.output != TaskOutput():
            later["output"] = self.output.model_dump(mode="json")
        body = orjson.dumps([request | later, documents_sha256], option=orjson.OPT_SORT_KEYS)
        return Idempotency(_sha256(self.idempotency_key.encode()), _sha256(body))


@dataclass(frozen=True, slots=True)
class SubmissionLimits:
    """How large a submission may be."""

    task_chars_max: int
    documents_max: int
    documents_bytes_max: int
    plan: PlanLimits
    web: WebOptions = field(default_factory=WebOptions)


def problems_of(submission: Submission, limits: SubmissionLimits, collections: frozenset[str]) -> list[Problem]:
    """All that is wrong with a submission, but for its plan."""
    documents = _documents(submission, limits, collections)
    return [*_text(submission, limits), *documents, *_web(submission, limits.web), *_terms(submission)]


def _text(submission: Submission, limits: SubmissionLimits) -> Iterator[Problem]:
    if not submission.task.strip():
        yield Problem("/task", "must not be empty")
    if len(submission.task) > limits.task_chars_max:
        yield Problem("/task", f"has {len(submission.task)} characters; the limit is {limits.task_chars_max}")


def _documents(submission: Submission, limits: SubmissionLimits, collections: frozenset[str]) -> Iterator[Problem]:
    count = len(submission.documents)
    if count > limits.documents_max:
        yield Problem("/inputs/documents", f"has {count} documents; the limit is {limits.documents_max}")
    size = sum(len(document.text.encode()) for document in submission.documents)
    if size > limits.documents_bytes_max:
        yield Problem("/inputs/documents", f"has {size} bytes; the limit is {limits.documents_bytes_max}")
    if submission.collection is not None and submission.collection not in collections:
        known = ", ".join(sorted(collections)) or "none"
        yield Problem("/inputs/collection", f"is not configured here; known: {known}")


def _web(submission: Submission, web: WebOptions) -> Iterator[Problem]:
    """Bad URLs are told at once; where the names of good ones lead is found out when they are fetched."""
    if submission.urls and not web.fetch:
        yield Problem("/inputs/urls", "are not fetched by this server")
    if len(submission.urls) > web.urls_max:
        yield Problem("/inputs/urls", f"has {len(submission.urls)} URLs; the limit is {web.urls_max}")
    for number, url in enumerate(submission.urls[: web.urls_max]):
        try:
            web.policy.check_url(url)
        except BadUrl as error:
            yield Problem(f"/inputs/urls/{number}", str(error))
    if submission.web and not web.fetch:
        yield Problem("/inputs/web", "is not searched by this server: it fetches nothing")
    elif submission.web and not web.searches:
        yield Problem("/inputs/web", "cannot be searched: no search server is configured here")


def _terms(submission: Submission) -> Iterator[Problem]:
    for name in ("deadline", "not_before"):
        moment: Moment | None = getattr(submission, name)
        if moment is None:
            continue
        # A time that has passed is for the server's clock to judge, and no fault in a repetition.
        delay_ms = moment.ms if moment.relative else moment.ms - time.time_ns() // 1_000_000
        if delay_ms > DELAY_MS_MAX or (moment.relative and delay_ms < 0):
            yield Problem(f"/{name}", f"lies between now and {DELAY_MS_MAX // 86_400_000} days from now")
    limit = submission.concurrency
    if limit is not None and limit.key not in submission.labels:
        yield Problem("/concurrency/key", f"names no label of this task: {limit.key!r}")
    if limit is not None and not 1 <= limit.limit <= CONCURRENCY_MAX:
        yield Problem("/concurrency/limit", f"lies between 1 and {CONCURRENCY_MAX}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
