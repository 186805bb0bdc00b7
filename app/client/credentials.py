"""The key that a client sends, and to whom."""

import os
import re
from urllib.parse import urlsplit

from app.client.errors import BadKey, KeyExposed
from app.loopback import is_loopback

KEY_VARIABLE = "STEPSTREAM_API_KEY"
#: Set to 1, the network between client and API is trusted: that of a cluster, say.
INSECURE_VARIABLE = "STEPSTREAM_ALLOW_INSECURE"
_KEY = re.compile(r"[!-~]{1,512}")


def key_headers(base_url: str, api_key: str | None, *, allow_insecure: bool) -> dict[str, str]:
    """
    The headers that carry the key: `api_key`, else that of the environment; none when there is neither.

    Raises `KeyExposed` when others on the way could read it: plain http to another machine, unless
    `allow_insecure` or the environment says that the network is trusted; `BadKey` for what cannot be one.
    """
    allow_insecure = allow_insecure or os.environ.get(INSECURE_VARIABLE) == "1"
    key = api_key or os.environ.get(KEY_VARIABLE, "")
    if not key:
        return {}
    if _KEY.fullmatch(key) is None:
        raise BadKey("The key has characters that no key has.")
    url = urlsplit(base_url)
    if url.scheme not in ("http", "https"):
        # Nothing can be sent there, and the reason for that is not the key.
        return {}
    host = url.hostname or ""
    if url.scheme == "http" and not is_loopback(host) and not allow_insecure:
        raise KeyExposed(f"The key is not sent to {host} over plain http: use https, or set {INSECURE_VARIABLE}=1.")
    return {"Authorization": f"Bearer {key}"}
