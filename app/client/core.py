"""What both clients share: where the API is, who asks, and how long they wait."""

import ssl
from collections.abc import Callable
from functools import update_wrapper
from inspect import Parameter, signature
from typing import Any
from urllib.parse import urlsplit

import httpx2

from app.client.credentials import key_headers
from app.client.errors import ApiUnreachable
from app.loopback import is_loopback

TIMEOUT_S = 30.0
CONNECT_TIMEOUT_S = 5.0
SILENCE_S_MAX = 90.0


class Core:
    """
    One API at one address.

    `api_key` (else `STEPSTREAM_API_KEY` of the environment) goes to this address only, redirects are not
    followed, and never over plain http to another machine (`KeyExposed`), unless `allow_insecure` or
    `STEPSTREAM_ALLOW_INSECURE=1` says that the network in between is trusted.

    `timeout_s` limits how long the API may be silent during a request, `silence_s_max` how long what may be
    repeated (following, waiting, a submission with an idempotency key) goes on without contact.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        allow_insecure: bool = False,
        timeout_s: float = TIMEOUT_S,
        silence_s_max: float = SILENCE_S_MAX,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._silence_s_max = silence_s_max
        url = urlsplit(base_url)
        here = is_loopback(url.hostname or "")
        self._open(
            {
                "base_url": self.base_url,
                "headers": key_headers(base_url, api_key, allow_insecure=allow_insecure),
                "timeout": httpx2.Timeout(timeout_s, connect=min(CONNECT_TIMEOUT_S, timeout_s)),
                # One connection per task that is followed.
                "limits": httpx2.Limits(max_connections=None, max_keepalive_connections=20),
                # A proxy from the environment must not stand between a person and their own machine.
                "trust_env": not here,
                # No TLS on the way to this machine over http: a context that trusts nobody need not read all
                # certificates there are, which takes longer than most requests.
                "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if here and url.scheme == "http" else True,
                # The key is for this address and no other.
                "follow_redirects": False,
            }
        )

    def _open(self, options: dict[str, Any]) -> None:
        """Makes the connection pool of this kind of client."""
        raise NotImplementedError

    def _unreachable(self, error: Exception) -> ApiUnreachable:
        # Without a name and a password in front, which are nobody else's business.
        scheme, separator, rest = self.base_url.rpartition("://")
        return ApiUnreachable(f"No API answers at {scheme}{separator}{rest.rpartition('@')[2]}: {error!r}")


def described(method: Callable[..., Any], by: Callable[..., Any]) -> None:
    """Gives a method the name, the text and, behind `self`, the arguments of the function that it stands for."""
    update_wrapper(method, by)
    del method.__dict__["__wrapped__"]
    own = signature(by)
    itself = Parameter("self", Parameter.POSITIONAL_ONLY)
    method.__dict__["__signature__"] = own.replace(parameters=[itself, *own.parameters.values()])
