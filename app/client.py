"""
A synchronous client: submit a task, follow its events to the end, fetch what it made.

    with Client("http://127.0.0.1:8000") as api:
        task_id = api.submit("Compare A and B")["task_id"]
        events = list(api.follow(task_id))
        print(api.report(task_id))

    ClientError
    ├── ApiUnreachable    nobody answers there, or not any more
    ├── ApiError          the API said no: HTTP status and problem document (RFC 9457)
    └── StreamBroken      the event stream contradicts itself: a gap, or not an event
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
from pydantic import ValidationError

from app.model.events import EVENT, Event
from app.model.task import Document

TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
#: Three heartbeats of the server: a stream that is quiet for longer is dead.
STREAM_TIMEOUT = httpx2.Timeout(45.0, connect=5.0)
EVENT_BYTES_MAX = 32 << 20
SILENCE_S_MAX = 90.0
BACKOFF_S = 0.1
BACKOFF_S_MAX = 3.0
RETRY_AFTER_S_MAX = 10.0
PASSING = frozenset({429, 502, 503, 504})


class ClientError(Exception):
    """Base of what the client raises; its text is one sentence for a person."""


class ApiUnreachable(ClientError):
    """Nothing answers at the address, or a stream stayed silent for longer than `SILENCE_S_MAX`."""


class StreamBroken(ClientError):
    """An event is missing, out of order or no event at all."""


class ApiError(ClientError):
    """The API refused; `problem` is its problem document, `lines` what a person should read."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
        super().__init__(f"The API answered {status}: {problem.get('detail') or problem.get('title') or 'no reason'}")

    @property
    def lines(self) -> list[str]:
        errors = self.problem.get("errors")
        if not isinstance(errors, list) or not errors:
            return [str(self)]
        return [f"{error.get('pointer', '')}: {error.get('detail', '')}" for error in errors if isinstance(error, dict)]


class Client:
    """One API at one address, as a context manager; not for use by several threads at once."""

    def __init__(self, base_url: str, *, silence_s_max: float = SILENCE_S_MAX) -> None:
        self.base_url = base_url.rstrip("/")
        self._silence_s_max = silence_s_max
        # A proxy from the environment must not stand between a person and their own machine.
        self._http = httpx2.Client(base_url=self.base_url, timeout=TIMEOUT, trust_env=not _is_loopback(base_url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(
        self,
        task: str,
        *,
        plan: object | None = None,
        documents: Sequence[Document] = (),
        collection: str | None = None,
        priority: int = 5,
        labels: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """
        Hands a task in; the answer has `task_id`, `status`, `plan` and `links`.

        It is never sent twice: after `ApiUnreachable` the task may or may not have been accepted.
        """
        body: dict[str, Any] = {"task": task, "priority": priority, "labels": dict(labels or {})}
        if plan is not None:
            body["plan"] = plan
        if documents or collection is not None:
            inputs = {"documents": [document.model_dump() for document in documents], "collection": collection}
            body["inputs"] = {name: value for name, value in inputs.items() if value}
        return _object(self._send("POST", "/run-task", json=body))

    def task(self, task_id: str) -> dict[str, Any]:
        return _object(self._send("GET", f"/tasks/{task_id}"))

    def result(self, task_id: str) -> dict[str, Any]:
        """What the task made; `ApiError` with status 202 while it runs, 409 when it failed."""
        return _object(self._finished(task_id, "application/json"))

    def report(self, task_id: str) -> str:
        """The same as a Markdown document."""
        return self._finished(task_id, "text/markdown").text

    def metrics(self, task_id: str) -> dict[str, Any]:
        return _object(self._send("GET", f"/metrics/{task_id}"))

    def follow(self, task_id: str, after: int = 0) -> Iterator[Event]:
        """
        The task's events after number `after`, up to and with the last one, each exactly once and in order.

        Dropped connections, a restarting API and passing errors are bridged. An event whose `seq` is not
        above the one before it means that the log was rolled back: forget all, the replay follows.
        Raises `ApiUnreachable` after `silence_s_max` without contact, `ApiError`, or `StreamBroken`.
        """
        position = _Position(after)
        while not position.ended:
            started = time.monotonic()
            try:
                yield from self._stream(task_id, position)
                position.interrupted("The stream ended too early.")
            except (httpx2.ConnectError, httpx2.TimeoutException) as error:
                position.interrupted(repr(error), silent_s=time.monotonic() - started)
            except httpx2.TransportError as error:
                position.interrupted(repr(error))
            except ApiError as error:
                if error.status not in PASSING:
                    raise
                position.interrupted(str(error), retry_after_s=error.problem.get("retry_after_s"))
            if not position.ended:
                self._pause(position)

    def _finished(self, task_id: str, media_type: str) -> httpx2.Response:
        response = self._send("GET", f"/tasks/{task_id}/result", headers={"Accept": media_type})
        if response.status_code == 202:
            raise ApiError(202, {"detail": "the task is still running"})
        return response

    def _stream(self, task_id: str, position: "_Position") -> Iterator[Event]:
        with self._http.sse(
            f"/stream/{task_id}", headers=position.headers(), timeout=STREAM_TIMEOUT, max_event_size=EVENT_BYTES_MAX
        ) as source:
            if source.response.status_code == 204:
                position.ended = True
                return
            _check(source.response)
            for frame in source:
                event = position.accept(frame)
                if event is not None:
                    yield event
                if position.ended:
                    return

    def _pause(self, position: "_Position") -> None:
        delay_s = position.delay_s()
        if position.silent_s + delay_s > self._silence_s_max:
            raise ApiUnreachable(f"No contact with {self.base_url} for {position.silent_s:.0f} s. {position.trouble}")
        position.silent_s += delay_s
        time.sleep(delay_s)

    def _send(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            response = self._http.request(method, path, **request)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise ApiUnreachable(f"No API answers at {self.base_url}: {error!r}") from error
        _check(response)
        return response


class _Position:
    """Where a follower stands, and how long it has been without news."""

    def __init__(self, after: int) -> None:
        self.seq = after
        self.ended = False
        self.silent_s = 0.0
        self.trouble = ""
        self._cursor = str(after) if after else ""
        self._failures = 0
        self._retry_after_s = 0.0

    def headers(self) -> dict[str, str]:
        return {"Last-Event-ID": self._cursor} if self._cursor else {}

    def accept(self, frame: httpx2.ServerSentEvent) -> Event | None:
        """The event in the frame, proven to be the next one; `None` for a control frame."""
        if frame.event == "stream.reset":
            self.seq, self._cursor = 0, ""
        if not frame.data or frame.event.startswith("stream."):
            return None
        try:
            event = EVENT.validate_json(frame.data)
        except ValidationError as error:
            raise StreamBroken(f"What came after event {self.seq} is not an event.") from error
        if event.seq != self.seq + 1:
            raise StreamBroken(f"Event {event.seq} came after event {self.seq}.")
        self.seq, self._cursor = event.seq, frame.id or str(event.seq)
        self.ended = event.terminal
        self.silent_s, self._failures = 0.0, 0
        return event

    def interrupted(self, trouble: str, *, silent_s: float = 0.0, retry_after_s: object = None) -> None:
        self.trouble = trouble
        self.silent_s += silent_s
        self._failures += 1
        self._retry_after_s = min(RETRY_AFTER_S_MAX, retry_after_s) if isinstance(retry_after_s, int) else 0.0

    def delay_s(self) -> float:
        backoff_s: float = min(BACKOFF_S_MAX, BACKOFF_S * 2.0 ** min(self._failures - 1, 16))
        return max(self._retry_after_s, backoff_s * random.uniform(0.5, 1))


def _check(response: httpx2.Response) -> None:
    if response.is_success:
        return
    response.read()
    problem = _json_object(response) or {"detail": response.text[:200]}
    if response.headers.get("retry-after", "").isdigit():
        problem["retry_after_s"] = int(response.headers["retry-after"])
    raise ApiError(response.status_code, problem)


def _object(response: httpx2.Response) -> dict[str, Any]:
    answer = _json_object(response)
    if answer is None:
        raise ApiUnreachable(f"What answers at {response.url} is not this API.")
    return answer


def _json_object(response: httpx2.Response) -> dict[str, Any] | None:
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
