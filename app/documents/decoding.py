"""
Bytes to text, for files of people who never chose an encoding.

    mark at the start       UTF-8, UTF-16 or UTF-32 as it says
    a charset was declared  by the server or the page, if the bytes agree
    valid UTF-8             that
    UTF-8 with some faults  that, each faulty byte as U+FFFD, and a note
    NUL bytes               not text: an error
    else                    Windows-1252, which most such files are, and a note
"""

import codecs
import re
from dataclasses import dataclass

from app.documents.errors import DocumentError

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: What a server or page may declare, by Python's names: the encodings of the web (encoding.spec.whatwg.org). Python has
#: codecs that are none; with one of them, punycode, 60 kB take half a second and a megabyte minutes.
ENCODINGS = frozenset({
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp866", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic", "gb18030",
    "gbk", "gb2312", "big5", "big5hkscs", "euc_jp", "shift_jis", "cp932", "iso2022_jp", "euc_kr", "cp949", "tis-620",
    "cp874", *(f"cp{n}" for n in range(1250, 1259)), *(f"iso8859-{n}" for n in (*range(2, 11), 13, 14, 15, 16)),
})  # fmt: skip
SEQUENCE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
NOT_ASCII = re.compile(rb"[\x80-\xff]+")
#: Control characters that no text has; a few come with dumps of terminals, many only with binary files.
CONTROL = re.compile(r"[\x01-\x06\x0e-\x1a\x1c-\x1f]")
CONTROL_SHARE_MAX = 0.05
SAMPLE_CHARS = 64 << 10


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text, and what a reader should know about how it came to be."""

    text: str
    note: str = ""


def decode(name: str, content: bytes, charset: str | None = None) -> Decoded:
    """The content as text; raises `DocumentError` when it is none."""
    decoded = _marked(name, content) or _declared(content, charset) or _guessed(name, content)
    # NUL is valid in every encoding, yet only binary files have it.
    if "\0" in decoded.text:
        raise DocumentError(f"{name!r} is not text: it contains NUL bytes.")
    sample = decoded.text[:SAMPLE_CHARS]
    if len(CONTROL.findall(sample)) > CONTROL_SHARE_MAX * len(sample):
        raise DocumentError(f"{name!r} is not text: it is full of control characters.")
    # A carriage return alone would hide the lines of a file from everything that counts them.
    return Decoded(decoded.text.replace("\r\n", "\n").replace("\r", "\n"), decoded.note)


def _marked(name: str, content: bytes) -> Decoded | None:
    for mark, encoding in MARKS:
        if content.startswith(mark):
            try:
                return Decoded(content[len(mark) :].decode(encoding))
            except UnicodeDecodeError as error:
                raise DocumentError(f"{name!r} is not {encoding.upper()} text, though it begins as such.") from error
    return None


def _declared(content: bytes, charset: str | None) -> Decoded | None:
    try:
        encoding = codecs.lookup(charset or "").name
        # By the WHATWG's table Latin-1 means Windows-1252.
        encoding = "cp1252" if encoding in ("iso8859-1", "ascii") else encoding
        return Decoded(content.decode(encoding)) if encoding in ENCODINGS else None
    except (LookupError, ValueError):
        return None


def _guessed(name: str, content: bytes) -> Decoded:
    try:
        return Decoded(content.decode("utf-8"))
    except UnicodeDecodeError:
        if b"\0" in content:
            raise DocumentError(f"{name!r} is not text: it contains NUL bytes.") from None
    whole = sum(map(len, SEQUENCE.findall(content)))
    if 2 * whole > sum(map(len, NOT_ASCII.findall(content))):
        text = content.decode("utf-8", "replace")
        return Decoded(text, f"{text.count(chr(0xFFFD))} places are not UTF-8")
    return Decoded(content.decode("cp1252", "replace"), "read as Windows-1252: it is not UTF-8")
