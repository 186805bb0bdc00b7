"""Which format a document has, by its name and, where a server sent it, by its media type."""

from enum import StrEnum
from pathlib import PurePosixPath
from urllib.parse import urlsplit


class Format(StrEnum):
    """How a document is read."""

    MARKDOWN = "markdown"
    TEXT = "text"
    HTML = "html"
    RST = "rst"
    PDF = "pdf"
    CODE = "code"


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _table(**suffixes: str) -> dict[str, Format]:
    return {f".{suffix}": Format(name) for name, words in suffixes.items() for suffix in words.split()}


SUFFIXES = _table(
    markdown="md markdown mdown mkd mdx",
    text="txt text log adoc asciidoc org tex",
    html="html htm xhtml",
    rst="rst rest",
    pdf="pdf",
    code="""bash c cc cfg cjs clj conf cpp cs css cxx dart el erl ex exs fish fs go gradle graphql groovy h hh hpp hs
    ini java jl js jsx kt kts lua m mjs ml mm nim nix php pl pm proto ps1 py pyi pyx r rb rs scala scss sh sql swift tcl
    tf toml ts tsx v vb vim vue yaml yml zig zsh""",
)
#: Names that say what a file is without a suffix.
WHOLE_NAMES = {
    **dict.fromkeys(("readme", "changes", "changelog", "news", "license", "copying", "authors", "todo"), Format.TEXT),
    **dict.fromkeys(("makefile", "dockerfile", "jenkinsfile", "rakefile", "gemfile"), Format.CODE),
}
MEDIA_TYPES = {
    "text/html": Format.HTML,
    "application/xhtml+xml": Format.HTML,
    "application/pdf": Format.PDF,
    "application/x-pdf": Format.PDF,
    "text/markdown": Format.MARKDOWN,
    "text/x-markdown": Format.MARKDOWN,
    "text/x-rst": Format.RST,
    "text/prs.fallenstein.rst": Format.RST,
    "application/javascript": Format.CODE,
    "application/x-sh": Format.CODE,
    "application/toml": Format.CODE,
    "application/yaml": Format.CODE,
}
#: Texts that are data for programs: full of words and without a sentence.
DATA_TYPES = frozenset({"text/csv", "text/xml", "text/calendar", "text/event-stream", "text/vcard"})
#: What a server says that has not looked.
VAGUE_TYPES = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})
#: Documents that people write and nothing here reads: worth a word where they are left out.
OTHER_DOCUMENTS = word_set(
    ".doc .docx .odt .rtf .pages .ppt .pptx .odp .key .xls .xlsx .ods .epub .mobi .djvu .ps .eml .msg .chm"
)


def is_url(name: str) -> bool:
    return "://" in name[:20]


def path_of(name: str) -> PurePosixPath:
    """The path within a name: of an address without its query."""
    return PurePosixPath(urlsplit(name).path if is_url(name) else name)


def format_of(name: str, media_type: str | None = None) -> Format | None:
    """How to read the document; `None` when nothing here can."""
    essence = (media_type or "").partition(";")[0].strip().lower()
    if essence in MEDIA_TYPES:
        return MEDIA_TYPES[essence]
    named = _by_name(name)
    if essence in VAGUE_TYPES:
        return named or (Format.TEXT if essence == "text/plain" else None)
    if essence.startswith("text/") and essence not in DATA_TYPES:
        return named or Format.TEXT
    return None


def is_code(name: str) -> bool:
    """Whether a document of that name is program text; what came from an address is marked up instead."""
    return not is_url(name) and _by_name(name) is Format.CODE


def stem_of(name: str) -> str:
    """The name without folder and, where it tells a format of prose, without suffix."""
    path = PurePosixPath(name)
    known = SUFFIXES.get(path.suffix.lower())
    return (path.stem if known is not None and known is not Format.CODE else path.name) or name


def _by_name(name: str) -> Format | None:
    path = path_of(name)
    return SUFFIXES.get(path.suffix.lower()) or WHOLE_NAMES.get(path.name.lower())
