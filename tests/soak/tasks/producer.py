"""Submits random tasks, remembers every answer, and sends again what may have been lost."""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from .client import Client
from .evidence import NUMBER_LABEL, Submission
from .plans import Plans, Steps
from .web import Web

GROUPS = 3
LOST_TIMEOUT_S = 0.003
SENDS_MAX = 20

Known = Callable[[str], None]


class Producer(Client):
    """One thread that submits at a steady rate; `known` hears of each accepted task."""

    def __init__(
        self, urls: Sequence[str], known: Known, *, features: frozenset[str], rate: float, long_ms: int, seed: int
    ) -> None:
        super().__init__(urls, seed)
        self._plans = Plans(self._random, long_ms)
        self._features = features
        self._known = known
        self._rate = rate
        self._first = seed * 1_000_000
        self._deadly = threading.Event()
        self.submissions: list[Submission] = []

    def send_deadly(self) -> None:
        """The next task will have a step that kills whoever runs it."""
        self._deadly.set()

    def _pause_s(self) -> float:
        return self._random.expovariate(self._rate)

    def _move(self, web: Web) -> None:
        submission = self._submission()
        self.submissions.append(submission)
        if submission.key is None:
            submission.answers.append(web.ask("POST", "/run-task", body=submission.body))
        else:
            self._insist(web, submission, submission.key)
        for task_id in submission.task_ids:
            self._known(task_id)

    def _insist(self, web: Web, submission: Submission, key: str) -> None:
        """Sends until it is accepted; now and then without waiting for the answer, and once more behind it."""
        headers = {"Idempotency-Key": key}
        spare = self._random.choice((0, 0, 1, 2))
        for _ in range(SENDS_MAX):
            timeout_s = LOST_TIMEOUT_S if self._random.random() < 0.15 else 6.0
            answer = web.ask("POST", "/run-task", body=submission.body, headers=headers, timeout_s=timeout_s)
            submission.answers.append(answer)
            if answer.status == 202 and not spare:
                break
            spare -= answer.status == 202
            if answer.status != 202 and timeout_s != LOST_TIMEOUT_S:
                threading.Event().wait(0.3)
        if submission.task_ids and self._random.random() < 0.2:
            other = {**submission.body, "task": "Something else"}
            submission.conflict = web.ask("POST", "/run-task", body=other, headers=headers)

    def _submission(self) -> Submission:
        number = self._first + len(self.submissions)
        deadly = self._deadly.is_set()
        self._deadly.clear()
        body = self._body(number, self._plans.deadly() if deadly else self._plans.plan())
        keyed = "idempotency" in self._features and self._random.random() < 0.6
        return Submission(number, body, key=uuid4().hex if keyed else None)

    def _body(self, number: int, plan: Steps) -> dict[str, Any]:
        labels = {NUMBER_LABEL: str(number), "group": str(self._random.randrange(GROUPS))}
        body: dict[str, Any] = {
            "task": f"Soak {number}", "plan": plan, "labels": labels, "priority": self._random.choice((0, 5, 5, 9)),
        }  # fmt: skip
        if self._may("concurrency", 0.1):
            # One limit per group, so that its tasks agree on it.
            body["concurrency"] = {"key": "limited", "limit": 3}
            labels["limited"] = labels["group"]
        if self._may("not_before", 0.1):
            later = datetime.now(UTC) + timedelta(seconds=self._random.uniform(0.2, 2))
            body["not_before"] = self._random.choice((later.isoformat(), "PT1S"))
        # Both together may be a contradiction, which is refused and proves nothing here.
        if "not_before" not in body and self._may("deadline", 0.1):
            body["deadline"] = self._random.choice(("PT0.5S", "PT2S", "PT60S"))
        return body

    def _may(self, feature: str, share: float) -> bool:
        return feature in self._features and self._random.random() < share
