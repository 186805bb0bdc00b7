"""
Keys as their holders see them: `sk_<id>_<secret><checksum>`.

The id is public: it finds the record and stands in lists and logs. The secret has 256 random bits, so its plain
SHA-256 can be kept: there is nothing to guess, and no salt or slow hash would add to that. The checksum lets tools
that search code and logs for secrets tell a key from any other text, offline.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_CHARS = 12
#: 43 characters of 62 kinds hold 256.03 bits.
SECRET_CHARS = 43
CHECKSUM_CHARS = 6

SHAPE = rf"sk_([0-9A-Za-z]{{{ID_CHARS}}})_[0-9A-Za-z]{{{SECRET_CHARS + CHECKSUM_CHARS}}}"
_TOKEN = re.compile(SHAPE)


@dataclass(frozen=True, slots=True)
class Token:
    """A key as text; shown only to whoever it is made for."""

    key_id: str
    text: str = field(repr=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def new_token() -> Token:
    key_id = _random(ID_CHARS)
    body = f"sk_{key_id}_{_random(SECRET_CHARS)}"
    return Token(key_id, body + _checksum(body))


def parse_token(text: str) -> Token | None:
    """The key in a text that is nothing else, or `None` when nobody can ever have been given it."""
    match = _TOKEN.fullmatch(text)
    if match is None or _checksum(text[:-CHECKSUM_CHARS]) != text[-CHECKSUM_CHARS:]:
        return None
    return Token(match[1], text)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(CHECKSUM_CHARS):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
