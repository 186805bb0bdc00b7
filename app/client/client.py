"""
A synchronous client: submit a task, follow its events to the end, fetch what it made.

    with Client("http://127.0.0.1:8000") as api:
        task_id = api.submit("Compare A and B")["task_id"]
        events = list(api.follow(task_id))
        print(api.report(task_id))

    ClientError
    ├── ApiUnreachable    nobody answers there, or not any more
    ├── ApiError          the API said no: HTTP status and problem document (RFC 9457)
    ├── KeyExposed        the key would travel where others can read it
    └── StreamBroken      the event stream contradicts itself: a gap, or not an event
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import quote

import httpx2

from app.client.credentials import key_headers
from app.client.errors import ApiError, ApiUnreachable
from app.client.position import Position
from app.client.transport import Transport, check, object_of
from app.model.events import Event
from app.model.task import CancelMode, Concurrency, Document

#: Three heartbeats of the server: a stream that is quiet for longer is dead.
STREAM_TIMEOUT = httpx2.Timeout(45.0, connect=5.0)
EVENT_BYTES_MAX = 32 << 20
SILENCE_S_MAX = 90.0
PASSING = frozenset({429, 502, 503, 504})

#: A time with its offset, a duration from now, or either as the API reads it.
When = datetime | timedelta | str


class Client:
    """
    One API at one address, as a context manager; not for use by several threads at once.

    `api_key` (else `STEPSTREAM_API_KEY` of the environment) goes to this address only, redirects are not
    followed, and never over plain http to another machine (`KeyExposed`), unless `allow_insecure` or
    `STEPSTREAM_ALLOW_INSECURE=1` says that the network in between is trusted.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        allow_insecure: bool = False,
        silence_s_max: float = SILENCE_S_MAX,
    ) -> None:
        self._silence_s_max = silence_s_max
        headers = key_headers(base_url, api_key, allow_insecure=allow_insecure)
        self._api = Transport(base_url, silence_s_max=silence_s_max, headers=headers)
        self.base_url = self._api.base_url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._api.http.close()

    def submit(  # noqa: PLR0913  # what a task may have, all by name
        self,
        task: str,
        *,
        plan: object | None = None,
        documents: Sequence[Document] = (),
        collection: str | None = None,
        priority: int = 5,
        labels: Mapping[str, str] | None = None,
        deadline: When | None = None,
        not_before: When | None = None,
        concurrency: Concurrency | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """
        Hands a task in; the answer has `task_id`, `status`, `plan` and `links`.

        Without `idempotency_key` it is never sent twice: after `ApiUnreachable` the task may or may not have
        been accepted. With one it is sent again for `silence_s_max` while nobody answers or the API is busy.
        """
        body: dict[str, Any] = {"task": task, "priority": priority, "labels": dict(labels or {})}
        if documents or collection is not None:
            inputs = {"documents": [document.model_dump() for document in documents], "collection": collection}
            body["inputs"] = {name: value for name, value in inputs.items() if value}
        terms = {
            "plan": plan,
            "deadline": _moment(deadline),
            "not_before": _moment(not_before),
            "concurrency": asdict(concurrency) if concurrency else None,
        }
        body |= {name: value for name, value in terms.items() if value is not None}
        if idempotency_key is None:
            return object_of(self._api.send("POST", "/run-task", json=body))
        headers = {"Idempotency-Key": idempotency_key}
        return object_of(self._api.send_patiently("POST", "/run-task", json=body, headers=headers))

    def cancel(self, task_id: str, mode: CancelMode = CancelMode.GRACEFUL, reason: str | None = None) -> dict[str, Any]:
        """Ends a task early; the answer is the task, as it ended if it had ended already."""
        return self._steer(task_id, "cancel", mode=mode, reason=reason)

    def pause(self, task_id: str, reason: str | None = None) -> dict[str, Any]:
        return self._steer(task_id, "pause", reason=reason)

    def resume(self, task_id: str, reason: str | None = None) -> dict[str, Any]:
        return self._steer(task_id, "resume", reason=reason)

    def retry(self, task_id: str, from_step: int | None = None) -> dict[str, Any]:
        """Runs what did not succeed again, in place; with `from_step` that step and what depends on it too."""
        return self._steer(task_id, "retry", from_step=from_step)

    def fork(self, task_id: str, from_step: int | None = None, plan: object | None = None) -> dict[str, Any]:
        """A new task that takes over what the change does not touch; the answer is that of `submit`."""
        return self._steer(task_id, "fork", from_step=from_step, plan=plan)

    def delete(self, task_id: str) -> None:
        self._api.send("DELETE", _path(task_id))

    def tasks(
        self,
        *,
        status: str | None = None,
        labels: Mapping[str, str] | None = None,
        words: str | None = None,
        created_after: datetime | None = None,
        page_size: int = 100,
    ) -> Iterator[dict[str, Any]]:
        """Summaries of tasks, newest first; pages are fetched as they are needed."""
        query: dict[str, Any] = {
            "limit": page_size,
            "label": [f"{name}:{text}" for name, text in (labels or {}).items()],
        }
        terms = {"status": status, "q": words, "created_after": _moment(created_after)}
        query |= {name: value for name, value in terms.items() if value is not None}
        while True:
            page = object_of(self._api.send("GET", "/tasks", params=query))
            yield from page["tasks"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def plan(self, task_id: str) -> dict[str, Any]:
        """The plan of a task with the state of each step."""
        return object_of(self._api.send("GET", f"{_path(task_id)}/plan"))

    def task(self, task_id: str) -> dict[str, Any]:
        return object_of(self._api.send("GET", _path(task_id)))

    def result(self, task_id: str) -> dict[str, Any]:
        """What the task made; `ApiError` with status 202 while it runs, 409 when it failed."""
        return object_of(self._finished(task_id, "application/json"))

    def report(self, task_id: str) -> str:
        """The same as a Markdown document."""
        return self._finished(task_id, "text/markdown").text

    def metrics(self, task_id: str) -> dict[str, Any]:
        return object_of(self._api.send("GET", f"/metrics/{task_id}"))

    def follow(self, task_id: str, after: int = 0) -> Iterator[Event]:
        """
        The task's events after number `after`, up to and with the last one, each exactly once and in order.

        Dropped connections, a restarting API and passing errors are bridged. An event whose `seq` is not
        above the one before it means that the log was rolled back: forget all, the replay follows.
        Raises `ApiUnreachable` after `silence_s_max` without contact, `ApiError`, or `StreamBroken`.
        """
        position = Position(after)
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

    def _steer(self, task_id: str, verb: str, **members: object) -> dict[str, Any]:
        body = {name: value for name, value in members.items() if value is not None}
        return object_of(self._api.send("POST", f"{_path(task_id)}/{verb}", json=body))

    def _finished(self, task_id: str, media_type: str) -> httpx2.Response:
        response = self._api.send("GET", f"{_path(task_id)}/result", headers={"Accept": media_type})
        if response.status_code == 202:
            raise ApiError(202, {"detail": "the task is still running"})
        return response

    def _stream(self, task_id: str, position: "Position") -> Iterator[Event]:
        with self._api.http.sse(
            f"/stream/{task_id}", headers=position.headers(), timeout=STREAM_TIMEOUT, max_event_size=EVENT_BYTES_MAX
        ) as source:
            if source.response.status_code == 204:
                position.ended = True
                return
            check(source.response)
            for frame in source:
                event = position.accept(frame)
                if event is not None:
                    yield event
                if position.ended:
                    return

    def _pause(self, position: "Position") -> None:
        delay_s = position.delay_s()
        if position.silent_s + delay_s > self._silence_s_max:
            if position.terminal:
                position.ended = True
                return
            raise ApiUnreachable(f"No contact with {self.base_url} for {position.silent_s:.0f} s. {position.trouble}")
        position.silent_s += delay_s
        time.sleep(delay_s)


def _path(task_id: str) -> str:
    return f"/tasks/{quote(task_id, safe='', errors='replace')}"


def _moment(when: When | None) -> str | None:
    """As the API reads it; a time needs its offset, which is for the API to say."""
    if isinstance(when, timedelta):
        return f"PT{when.total_seconds():.3f}S"
    return when.isoformat() if isinstance(when, datetime) else when
