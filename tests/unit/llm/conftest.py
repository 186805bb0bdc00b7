"""A conversation with a scripted server, and what it tells and remembers."""

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.dispatch.kept_answers import KeptAnswers
from app.dispatch.memos import Memos
from app.llm.client import LlmClient
from app.llm.conversation import Conversation
from app.llm.door import LlmDoor
from app.llm.options import LlmOptions
from app.model.events import LlmUsage
from app.model.llm import Message
from tests.unit.scripted_server import ScriptedServer, serving

KEY = "sk-secret-1234"
SAID = [Message(role="system", content="Be brief."), Message(role="user", content="What is a stream?")]


@dataclass
class Talk:
    """Opens conversations with one server; `usage` is what they told, `memos` what they remember."""

    server: ScriptedServer
    usage: list[LlmUsage] = field(default_factory=list)
    memos: Memos = field(default_factory=Memos.in_memory)

    def options(self, **more: Any) -> LlmOptions:
        return LlmOptions(**{"base_url": f"{self.server.url}/v1", "model": "small", "api_key": KEY} | more)

    @asynccontextmanager
    async def open(self, **more: Any) -> AsyncIterator[Conversation]:
        client = LlmClient(self.options(**more))

        async def report(usage: LlmUsage) -> None:
            self.usage.append(usage)

        try:
            yield LlmDoor(client).conversation(report, KeptAnswers(self.memos))
        finally:
            await client.aclose()


@pytest.fixture(scope="session")
def model_server() -> Iterator[ScriptedServer]:
    with serving() as server:
        yield server


@pytest.fixture
def talk(model_server: ScriptedServer) -> Talk:
    model_server.answers, model_server.asked = [], []
    return Talk(model_server)


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test is over: servers that wait for it go on."""
    event = threading.Event()
    yield event
    event.set()
