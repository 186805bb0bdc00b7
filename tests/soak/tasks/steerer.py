"""Steers tasks at random moments: cancels, pauses and resumes, retries, forks."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from .client import Client
from .evidence import Act, Answer
from .web import Web

RESUMES_MAX = 40

Known = Callable[[str], None]


class Steerer(Client):
    """One thread that does to tasks whatever the program offers; `known` hears of each fork."""

    def __init__(
        self,
        urls: Sequence[str],
        tasks: Sequence[str],
        known: Known,
        *,
        features: frozenset[str],
        rate: float,
        seed: int,
    ) -> None:
        super().__init__(urls, seed)
        self._tasks = tasks
        self._known = known
        self._rate = rate
        every = {"cancel": self._cancel, "pause": self._pause, "retry": self._retry, "fork": self._fork}
        self._moves = [move for verb, move in every.items() if verb in features]
        self.acts: list[Act] = []

    def _pause_s(self) -> float:
        return self._random.expovariate(self._rate)

    def _move(self, web: Web) -> None:
        if self._tasks and self._moves:
            self._random.choice(self._moves)(web)

    def _cancel(self, web: Web) -> None:
        mode = self._random.choice(("graceful", "graceful", "force", "finish"))
        self._act(web, self._recent(5), "cancel", {"mode": mode, "reason": "soak"})

    def _pause(self, web: Web) -> None:
        """Pauses a task for a while; the resuming is insisted on, or the task would never end."""
        task_id = self._recent(5)
        self._act(web, task_id, "pause", {"reason": "soak"})
        self._stopped.wait(self._random.uniform(0.1, 1.5))
        for _ in range(RESUMES_MAX):
            if self._act(web, task_id, "resume", {}).status not in {0, 503}:
                return
            threading.Event().wait(0.3)

    def _retry(self, web: Web) -> None:
        self._act(web, self._recent(40), "retry", {})

    def _fork(self, web: Web) -> None:
        answer = self._act(web, self._recent(40), "fork", {})
        if answer.task_id:
            self._known(answer.task_id)

    def _act(self, web: Web, task_id: str, verb: str, body: dict[str, Any]) -> Answer:
        answer = web.ask("POST", f"/tasks/{task_id}/{verb}", body=body)
        self.acts.append(Act(task_id, verb, answer, body))
        return answer

    def _recent(self, count: int) -> str:
        return self._random.choice(self._tasks[-count:])
