"""Why a request is refused before its route sees it."""

from collections.abc import Mapping

from app.access.principal import Scope
from app.errors import StepstreamError


class Refused(StepstreamError):
    """Base; `headers` go with the answer."""

    headers: Mapping[str, str] = {}


class KeyNeeded(Refused):
    """The request needs a key and has none."""

    headers = {"WWW-Authenticate": 'Bearer realm="stepstream"'}  # noqa: RUF012  # a Mapping

    def __init__(self) -> None:
        super().__init__("Send a key, as in `Authorization: Bearer sk_…`; `stepstream keys create` makes one.")


class KeyRefused(Refused):
    """The key is unknown, revoked or expired; which of them is nobody's business."""

    headers = {"WWW-Authenticate": 'Bearer realm="stepstream", error="invalid_token"'}  # noqa: RUF012  # a Mapping

    def __init__(self) -> None:
        super().__init__("The key is unknown, revoked or expired.")


class ScopeMissing(Refused):
    """The key is good, but not for this."""

    def __init__(self, needed: Scope) -> None:
        self.headers = {"WWW-Authenticate": f'Bearer realm="stepstream", error="insufficient_scope", scope="{needed}"'}
        super().__init__(f"This needs a key with the scope {needed}.")


class KeyInUrl(Refused):
    """A key was sent where it does not belong."""

    def __init__(self) -> None:
        super().__init__(
            "A key stands in the URL, where logs and histories keep it: revoke it, and send a new one as "
            "`Authorization: Bearer sk_…`."
        )


class ForeignHost(Refused):
    """Without a key, only the names of this machine are answered."""

    def __init__(self) -> None:
        super().__init__(
            "Without a key this server answers to localhost and loopback addresses only. Behind a proxy, set "
            "STEPSTREAM_AUTH=required and send a key."
        )


class ForeignOrigin(Refused):
    """Without a key, pages of other origins are not answered."""

    def __init__(self) -> None:
        super().__init__(
            "Without a key this server does not answer to pages of other origins, unless STEPSTREAM_CORS_ORIGINS "
            "names them."
        )


class RateExceeded(Refused):
    """The key has asked for more than it may; `retry_after_s` says when it may again."""

    def __init__(self, headers: Mapping[str, str], *, retry_after_s: int) -> None:
        self.headers = {**headers, "Retry-After": str(retry_after_s)}
        super().__init__(f"This key has asked for as much as it may; come back in {retry_after_s} s.")


class TooManyStreams(Refused):
    """With this stream the key would have more than it may."""

    def __init__(self, streams_max: int) -> None:
        self.headers = {"Retry-After": "5"}
        super().__init__(f"This key may have {streams_max} open streams here; one of several tasks counts as so many.")
