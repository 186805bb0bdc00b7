"""Chromium and its own EventSource, spoken to over the DevTools protocol; no library stands between."""

import itertools
import json
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import connect

from app.model.events import EVENT_TYPES
from tests.chromium import FLAGS
from tests.conformance.readers import WAIT_S, Frame
from tests.deployment import wait_for

MARKER = "DevTools listening on "
OPENED = "[location.href, document.readyState]"
FOLLOW = """
(url, types) => {
  const state = { seen: [], resets: 0, source: new EventSource(url) };
  for (const type of types)
    state.source.addEventListener(type, e => state.seen.push([e.lastEventId, type, e.data]));
  state.source.addEventListener('stream.reset', () => { state.seen = []; state.resets += 1; });
  window.state = state;
}
"""


class Browser:
    """A headless Chromium with a profile of its own."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        folder = Path(self._profile.name)
        self._log = folder / "log"
        with self._log.open("wb") as log:
            flags = [*FLAGS, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
            self._process = subprocess.Popen([program, *flags, "about:blank"], stdout=log, stderr=log)
        wait_for(lambda: MARKER in self._log.read_text(errors="replace"), "Chromium did not start", WAIT_S)
        address = self._log.read_text(errors="replace").split(MARKER)[1].split()[0]
        self._exit = ExitStack()
        self._socket = self._exit.enter_context(connect(address, max_size=None))
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()
        self._process.kill()
        self._process.wait(WAIT_S)
        self._profile.cleanup()

    def call(self, method: str, session: str | None = None, **arguments: Any) -> dict[str, Any]:
        """The result of a command; what the browser tells by itself meanwhile is passed over."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": arguments} | ({"sessionId": session} if session else {})
        self._socket.send(json.dumps(message))
        while True:
            reply = json.loads(self._socket.recv(timeout=WAIT_S))
            if reply.get("id") == number:
                assert "error" not in reply, reply
                result: dict[str, Any] = reply["result"]
                return result

    def page(self, url: str) -> "Page":
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        # Our answers, opened as pages, may do nothing; this one is only there to have their origin.
        page.call("Page.enable")
        page.call("Page.setBypassCSP", enabled=True)
        page.call("Page.navigate", url=url)
        wait_for(lambda: page.shows(url), f"{url} did not open", WAIT_S)
        return page


class Page:
    """One page of it."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **arguments)

    def evaluate(self, expression: str) -> Any:
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def shows(self, url: str) -> bool:
        """Whether this page is there; the empty one before it is complete as well, and none is for a moment between."""
        with suppress(AssertionError):
            return bool(self.evaluate(OPENED) == [url, "complete"])
        return False

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)


class BrowserFollower:
    """A native EventSource; it reconnects by itself, at the pace that the server asks for."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._page = browser.page(f"{url.partition('/stream')[0]}/healthz")
        self._page.evaluate(f"({FOLLOW})({json.dumps(url)}, {json.dumps(list(EVENT_TYPES))})")

    @property
    def seen(self) -> list[Frame]:
        return [Frame(*found) for found in self._page.evaluate("state.seen")]

    @property
    def count(self) -> int:
        return int(self._page.evaluate("state.seen.length"))

    @property
    def ids(self) -> list[str]:
        return [frame.id for frame in self.seen]

    @property
    def resets(self) -> int:
        return int(self._page.evaluate("state.resets"))

    @property
    def over(self) -> bool:
        """CLOSED: it has given up for good."""
        return bool(self._page.evaluate("state.source.readyState") == 2)

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_for(condition, what, 2 * WAIT_S)

    def wait_over(self) -> None:
        self.wait(lambda: self.over, "the EventSource was not ended")

    def close(self) -> None:
        self._page.close()
