"""
A URL, read strictly: whoever checks it and whoever connects must not understand two different things.

Browsers forgive a lot (RFC 3986 and the URL standard differ, and so do resolvers): backslashes, tabs, credentials,
`0x7f.1`, `2130706433`, percent-encoded hosts. What has two readings is refused here and not repaired. Names in other
scripts are mapped as browsers do it (UTS 46), and what comes out is read by the same rules.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote, urljoin

import idna

from app.web.addresses import Address

URL_CHARS_MAX = 2_048
HOST_CHARS_MAX = 253
DEFAULT_PORTS = {"http": 80, "https": 443}

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<target>[^#]*)(?:#.*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
#: Controls (also of Latin-1), blanks of any script, format characters that nobody sees, and the backslash.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\xad\\\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
#: As the URL standard has it: a last label like these makes the whole host an IPv4 address.
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
#: Kept as they are in a path or query; everything else is percent-encoded.
_TARGET_SAFE = "/?:@!$&'()*+,;=%-._~[]|"


class BadUrl(ValueError):
    """Not a URL that can be fetched; the text says what is wrong, to be read behind the URL."""


@dataclass(frozen=True, slots=True)
class WebUrl:
    """
    An http or https URL in its one form: ASCII, lower-case host without a last dot, no fragment.

    `host` is a name or an address without brackets; `target` is what stands in the request line.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def address(self) -> Address | None:
        """The host, where it is an address."""
        try:
            return IPv6Address(self.host) if ":" in self.host else IPv4Address(self.host)
        except AddressValueError:
            return None

    @property
    def authority(self) -> str:
        """Host and port as in the `Host` field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    def __str__(self) -> str:
        return self.origin + self.target

    def join(self, location: str) -> "WebUrl":
        """Where a redirect leads; raises `BadUrl`."""
        # Blanks are common there, and mean only one thing.
        location = location.strip(" ").replace(" ", "%20")
        if found := _FORBIDDEN.search(location):
            raise BadUrl(f"holds {_named(found[0])}")
        try:
            return parse_url(urljoin(str(self), location))
        except ValueError as error:
            raise error if isinstance(error, BadUrl) else BadUrl("is not a URL") from error


def parse_url(text: str) -> WebUrl:
    """Reads a URL; raises `BadUrl`."""
    if len(text) > URL_CHARS_MAX:
        raise BadUrl(f"has {len(text)} characters; the limit is {URL_CHARS_MAX}")
    if found := _FORBIDDEN.search(text):
        raise BadUrl(f"holds {_named(found[0])}")
    parts = _URL.fullmatch(text)
    if parts is None:
        raise BadUrl("is not a URL with http:// or https:// in front")
    scheme = parts["scheme"].lower()
    if scheme not in DEFAULT_PORTS:
        raise BadUrl("is neither http nor https")
    if "@" in parts["authority"]:
        raise BadUrl("holds a user name or password, which are never sent")
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if authority is None:
        raise BadUrl("has no host that can be read")
    port = int(authority["port"]) if authority["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65_536:
        raise BadUrl("has a port that is not between 1 and 65535")
    return WebUrl(scheme, read_host(authority["host"]), port, _target(parts["target"]))


def read_host(text: str) -> str:
    """A host as it stands in a URL, in its one form; raises `BadUrl`."""
    if text.startswith("["):
        return _ipv6(text[1:-1])
    if "%" in text:
        raise BadUrl("has a percent-encoded host")
    host = _ascii(text).lower().removesuffix(".")
    labels = host.split(".")
    if not host or len(host) > HOST_CHARS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadUrl("has a host that is no name and no address")
    if _NUMERIC.fullmatch(labels[-1]):
        return _ipv4(host)
    return host


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    if len(text) > HOST_CHARS_MAX:
        raise BadUrl("has a host that is too long")
    try:
        return idna.encode(text, uts46=True, std3_rules=True).decode()
    except (idna.IDNAError, UnicodeError) as error:
        raise BadUrl("has a host that is no internationalised name (UTS 46)") from error


def _ipv4(host: str) -> str:
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        raise BadUrl("has an IPv4 address that is not written as four decimal numbers") from None


def _ipv6(text: str) -> str:
    if "%" in text:
        raise BadUrl("has an IPv6 address with a zone")
    try:
        return str(IPv6Address(text))
    except AddressValueError:
        raise BadUrl("has no valid IPv6 address in brackets") from None


def _target(text: str) -> str:
    try:
        target = quote(text, safe=_TARGET_SAFE)
    except UnicodeEncodeError:
        raise BadUrl("holds half a character (a lone surrogate)") from None
    return target if target.startswith("/") else f"/{target}"


def _named(character: str) -> str:
    return (
        "a backslash" if character == "\\" else f"the character U+{ord(character):04X}, which is not allowed in a URL"
    )
