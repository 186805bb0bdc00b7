"""The search server, where one is configured: does it answer, and as JSON?"""

import time

import httpx2

from app.config import Settings
from app.preflight.finding import Findings, fail, number, ok, warn

TIMEOUT_S = 10.0
#: A word that every engine has something about.
WORD = "water"


def searching(settings: Settings) -> Findings:
    """Searches for one word, as a task would."""
    if settings.searxng_url is None:
        return
    began_s = time.monotonic()
    try:
        with httpx2.Client(timeout=TIMEOUT_S, trust_env=False) as client:
            answer = client.get(f"{settings.searxng_url.rstrip('/')}/search", params={"q": WORD, "format": "json"})
    except httpx2.HTTPError as error:
        yield fail("search", f"the server does not answer: {error}", "see that it runs, and STEPSTREAM_SEARXNG_URL")
        return
    yield from _judged(answer, (time.monotonic() - began_s) * 1000)


def _judged(answer: httpx2.Response, ms: float) -> Findings:
    if answer.status_code == 403:
        advice = "add `json` to `search.formats` in the settings.yml of SearXNG"
        yield fail("search", "the server refuses to answer as JSON", advice)
        return
    try:
        count, silent = len(answer.json()["results"]), len(answer.json().get("unresponsive_engines") or [])
    except (ValueError, TypeError, KeyError, AttributeError):
        said = f"the server answers {answer.status_code}, not as SearXNG does"
        yield fail("search", said, "see STEPSTREAM_SEARXNG_URL")
        return
    if count:
        yield ok("search", f"{number(count, 'hit')} for {WORD!r} in {ms:.0f} ms")
    else:
        said = f"nothing found for {WORD!r}; {number(silent, 'engine')} silent"
        yield warn("search", said, "see the engines of SearXNG")
