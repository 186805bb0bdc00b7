"""The API: does it answer, and whom?"""

import time

import httpx2

from app.access.keyring import Keyring
from app.cli.claim import running_api
from app.cli.doctor.place import Place
from app.cli.environment import URL_VARIABLE
from app.client import ApiError, Client, ClientError
from app.config import Settings
from app.loopback import is_loopback
from app.preflight.finding import Findings, fail, ok, warn
from app.preflight.server import compared

TIMEOUT_S = 5.0
EXPIRES_SOON_MS = 7 * 86_400_000
#: The `Date` header has whole seconds.
DATE_BLUR_MS = 1_000.0


def api(settings: Settings, url: str | None) -> Findings:
    """Does the API live, accept tasks, and let this machine in?"""
    found = url or running_api(settings.data_dir)
    if not found:
        advice = f"begin `stepstream up` or `stepstream api`, or say where with --url or {URL_VARIABLE}"
        yield warn("api", "none runs here", advice)
        return
    try:
        with Client(found, timeout_s=TIMEOUT_S) as client:
            yield from _health(client)
            yield from _permission(client)
    except (ClientError, httpx2.InvalidURL, ValueError) as error:
        yield fail("api", str(error), "see that it runs, and that the address and the key are right")


def _health(client: Client) -> Findings:
    before = time.time()
    clock = client.ready()
    after = time.time()
    yield ok("api", f"{client.base_url} accepts tasks, answered in {(after - before) * 1000:.0f} ms")
    if clock is not None:
        # Whole seconds: on the average it is half a second later than that.
        ahead_ms = (clock.timestamp() + 0.5 - (before + after) / 2) * 1000
        yield compared("api-clock", "the API", ahead_ms, DATE_BLUR_MS)


def _permission(client: Client) -> Findings:
    try:
        client.workers()
    except ApiError as error:
        advice = "set STEPSTREAM_API_KEY to a key; `stepstream keys create --scope admin` makes one"
        yield warn("api-key", str(error), advice)
        return
    yield ok("api-key", "this machine may do everything")


def keys(place: Place) -> Findings:
    """Is there a key where one is needed?"""
    found = Keyring(place.client, place.keys).all()
    now_ms = time.time() * 1000
    valid = {key_id: record for key_id, record in found.items() if record.valid(now_ms)}
    if not valid and not is_loopback(place.settings.api_host):
        said = f"none is valid, and the API is to listen on {place.settings.api_host}"
        yield fail("keys", said, "`stepstream keys create`")
        return
    yield ok("keys", f"{len(valid)} valid" if valid else "none: the API serves this machine only")
    for key_id, record in valid.items():
        if record.expires_ms and record.expires_ms < now_ms + EXPIRES_SOON_MS:
            yield warn("keys", f"{key_id} ({record.name}) expires soon", "make its successor: `stepstream keys create`")
