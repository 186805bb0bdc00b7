"""One deployment for all behaviours; what one of them kills is started again for the next."""

from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from tests.conformance.browser import Browser, BrowserFollower
from tests.conformance.readers import CurlFollower, Follower, Frame, HttpxFollower, RawFollower
from tests.conformance.road import Road
from tests.conformance.site import Site

KINDS: dict[str, type[Follower]] = {"raw": RawFollower, "httpx2": HttpxFollower, "curl": CurlFollower}


class Follows(Protocol):
    """What a behaviour asks of a client, whatever it is."""

    @property
    def seen(self) -> list[Frame]: ...
    @property
    def count(self) -> int: ...
    @property
    def ids(self) -> list[str]: ...
    @property
    def resets(self) -> int: ...
    @property
    def over(self) -> bool: ...
    def wait(self, condition: Callable[[], object], what: str) -> None: ...
    def wait_over(self) -> None: ...
    def close(self) -> None: ...


Follow = Callable[[str], Follows]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Redis with its file; API processes come with the road to them."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.start_redis()
    yield site
    site.stop()


@pytest.fixture
def road(site: Site) -> Iterator[Road]:
    """A good road to two API processes."""
    site.start_apis(2 - len(site.living))
    road = Road([api.port for api in site.living])
    yield road
    road.close()


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    """One for all; nothing of Playwright, beside which no test has an event loop."""
    with Browser(chromium) as browser:
        yield browser


@pytest.fixture
def follow(kind: str, road: Road, request: pytest.FixtureRequest) -> Iterator[Follow]:
    """Opens the stream of a task, through the road, with a client of the kind."""
    opened: list[Follows] = []

    def follow(task_id: str) -> Follows:
        url = f"{road.url}/stream/{task_id}"
        if kind == "chromium":
            opened.append(BrowserFollower(request.getfixturevalue("browser"), url))
        else:
            opened.append(KINDS[kind](url))
        return opened[-1]

    yield follow
    for follower in opened:
        follower.close()
