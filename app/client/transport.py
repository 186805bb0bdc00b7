"""One request and its answer: refusals become errors, and what is safe to send again is sent again."""

import random
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from app.client.errors import ApiError, ApiUnreachable
from app.loopback import is_loopback

TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
BACKOFF_S = 0.1
RETRY_AFTER_S_MAX = 10.0


class Transport:
    """A connection to one API."""

    def __init__(self, base_url: str, *, silence_s_max: float, headers: Mapping[str, str]) -> None:
        self.base_url = base_url.rstrip("/")
        self._silence_s_max = silence_s_max
        # A proxy from the environment must not stand between a person and their own machine.
        # Redirects are not followed: the key is for this address and no other.
        self.http = httpx2.Client(
            base_url=self.base_url,
            timeout=TIMEOUT,
            trust_env=not is_loopback(urlsplit(base_url).hostname or ""),
            headers=headers,
            follow_redirects=False,
        )

    def send(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """The answer; raises `ApiError` for a refusal, `ApiUnreachable` when there is no answer."""
        try:
            response = self.http.request(method, path, **request)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise ApiUnreachable(f"No API answers at {self.base_url}: {error!r}") from error
        check(response)
        return response

    def send_patiently(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """As `send`, again and again for `silence_s_max` while nobody answers, or the answer is 503."""
        end, delay_s = time.monotonic() + self._silence_s_max, BACKOFF_S
        while True:
            retry_after_s: object = None
            try:
                return self.send(method, path, **request)
            except ApiUnreachable:
                if time.monotonic() + delay_s > end:
                    raise
            except ApiError as error:
                retry_after_s = error.problem.get("retry_after_s", 0)
                if error.status != 503 or time.monotonic() + delay_s > end:
                    raise
            pause_s = delay_s * random.uniform(0.5, 1)
            if isinstance(retry_after_s, int):
                pause_s = max(pause_s, min(retry_after_s, RETRY_AFTER_S_MAX))
            time.sleep(min(pause_s, max(0.0, end - time.monotonic())))
            delay_s = min(2 * delay_s, RETRY_AFTER_S_MAX)


def check(response: httpx2.Response) -> None:
    if response.is_success:
        return
    response.read()
    problem = _json_object(response) or {"detail": response.text[:200]}
    if response.headers.get("retry-after", "").isdigit():
        problem["retry_after_s"] = int(response.headers["retry-after"])
    raise ApiError(response.status_code, problem)


def object_of(response: httpx2.Response) -> dict[str, Any]:
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
