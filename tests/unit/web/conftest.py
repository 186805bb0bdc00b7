"""Sites on this machine, and steps that read them."""

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors.tools.web import Failures, web_documents
from app.dispatch.context import StepContext
from app.model.agents import StepInput
from app.model.events import EventData
from app.model.task import Document, TaskInputs
from app.web.options import WebOptions
from app.web.policy import WebPolicy, read_entry
from tests.unit.web.site import Site, running_site


class Reading:
    """A step that reads pages; each call is a step of its own with the same cache."""

    def __init__(self, cache_dir: Path, site: Site) -> None:
        self.cache_dir = cache_dir
        self.site = site
        self.events: list[EventData] = []
        self.failures = Failures()

    def options(self, **more: Any) -> WebOptions:
        allow = more.pop("allow", f"127.0.0.1:{self.site.port}")
        return WebOptions(
            policy=WebPolicy(allow=(read_entry(allow),)), **{"interval_s": 0.0, "page_s_max": 20.0} | more
        )

    def context(self, urls: list[str], *, web: bool = False, deadline_s: float = math.inf, **more: Any) -> StepContext:
        async def emit(event: EventData) -> None:
            self.events.append(event)

        return StepContext(
            task_id="0-task", task="", step_id=1, agent="retriever", attempt=1, run=0, inputs={}, emit=emit,
            task_inputs=TaskInputs(urls=urls, web=web), cache_dir=self.cache_dir, deadline_s=deadline_s,
            web=self.options(**more),
        )  # fmt: skip

    async def read(self, *paths: str, text: str = "what", **more: Any) -> list[Document]:
        urls = [path if "://" in path else self.site.url(path) for path in paths]
        self.failures = Failures()
        return await web_documents(self.context(urls, **more), StepInput(text=text), self.failures)

    @property
    def reasons(self) -> list[str]:
        return [failure["reason"] for failure in self.failures.listed()]

    @property
    def messages(self) -> list[str]:
        return [event.message for event in self.events if event.type == "step.progress"]  # type: ignore[attr-defined]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with running_site() as site:
        yield site


@pytest.fixture
def reading(tmp_path: Path, site: Site) -> Reading:
    return Reading(tmp_path / "cache", site)
