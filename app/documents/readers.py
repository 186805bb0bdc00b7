"""Reads one document, whatever its format, into text that an index and a reader understand."""

import re

from app.documents.apart import TakesTooMuch
from app.documents.decoding import Decoded, decode
from app.documents.errors import DocumentError, DocumentUnreadable, UnknownFormat
from app.documents.formats import Format, format_of, is_url
from app.documents.html import html_to_text
from app.documents.pdf import pdf_to_text
from app.model.task import Document

CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]{1,40})", re.IGNORECASE)
HTML_CHARS_MAX = 16 << 20
CHARSET_BYTES = 1_024  # how far into a page its own word on its encoding may stand


def read(name: str, content: bytes, media_type: str | None = None) -> Document:
    """
    The document as text: HTML and PDF converted, everything else as it is.

    Raises `DocumentError` when it is damaged, too large or not what its name says, `UnknownFormat` when
    nothing here reads its kind.
    """
    return read_noted(name, content, media_type)[0]


def read_noted(name: str, content: bytes, media_type: str | None = None) -> tuple[Document, str]:
    """The same, and what a reader should know about the reading; mostly nothing."""
    kind = format_of(name, media_type)
    if kind is None:
        raise UnknownFormat(f"{name!r} is of a kind that nothing here reads{_said(media_type)}.")
    if kind is Format.PDF:
        return Document(name=name, text=pdf_to_text(name, content)), ""
    decoded = decode(name, content, _charset(kind, content, media_type))
    return Document(name=name, text=_rendered(name, kind, decoded)), decoded.note


def reread(document: Document) -> Document:
    """A document that came as text: what is named and looks like HTML is converted, once and not twice."""
    if format_of(document.name) is not Format.HTML or not document.text.lstrip("\ufeff \t\r\n").startswith("<"):
        return document
    return Document(name=document.name, text=_from_html(document.name, document.text))


def _rendered(name: str, kind: Format, decoded: Decoded) -> str:
    if kind is Format.HTML:
        return _from_html(name, decoded.text)
    if kind is Format.CODE and is_url(name):
        # What came from an address is read as Markdown, whatever its name ends in.
        return f"```\n{decoded.text.replace('```', '` ` `')}\n```\n"
    return decoded.text


def _from_html(name: str, page: str) -> str:
    if len(page) > HTML_CHARS_MAX:
        raise DocumentError(f"{name!r} is a page of more than {HTML_CHARS_MAX >> 20} Mi characters.")
    try:
        return html_to_text(page)
    except TakesTooMuch as error:
        raise DocumentError(f"{name!r} is a page that takes too much time or memory to be read.") from error
    except OSError as error:
        raise DocumentUnreadable(f"{name!r} cannot be read: no process for it ({error.strerror}).") from error


def _charset(kind: Format, content: bytes, media_type: str | None) -> str | None:
    declared = CHARSET.search(media_type or "")
    if declared is None and kind is Format.HTML:
        declared = CHARSET.search(content[:CHARSET_BYTES].decode("latin-1"))
    return declared[1] if declared else None


def _said(media_type: str | None) -> str:
    return f" ({media_type[:100]})" if media_type else ""
