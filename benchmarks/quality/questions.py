"""What is asked and what is expected: the files of `data/`, read and held to their rule."""

import html
import re
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

DATA = Path(__file__).parent / "data"
Half = Literal["tuning", "held-out"]
HALVES: tuple[Half, ...] = ("tuning", "held-out")

ROLE = re.compile(r":[A-Za-z][\w:+.-]*:(?=`)")
TARGET = re.compile(r"\s<[^<>`]*>`")
LINK_TARGET = re.compile(r"\](?:\([^()\s]*\)|\[[^\[\]]*\])")
WORD = re.compile(r"[^\W_]+")

Place = tuple[str, str]  # document, quotation


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def key(self) -> str:
        raise NotImplementedError

    @property
    def half(self) -> Half:
        """Decided by nobody: by the hash of what names the entry."""
        return "tuning" if sha256(self.key.encode()).hexdigest()[0] < "8" else "held-out"


class Question(_Entry):
    """A question and the places of its answers; any of an answer's places will do."""

    corpus: str
    kind: Literal["easy", "paraphrased", "multi", "unanswered"]
    text: str
    answers: list[list[Place]]

    @property
    def key(self) -> str:
        return self.text


class Aspect(_Entry):
    """What a good report says: one of these quotations."""

    name: str
    any: list[Place]


class ReportTask(_Entry):
    """A task for a whole report; `missing` are words that it must name as not found."""

    id: str
    corpus: str
    intent: Literal["answer", "comparison", "overview", "summary", "check", "howto"]
    task: str
    missing: list[str]
    aspects: list[Aspect]

    @property
    def key(self) -> str:
        return self.id


class Pair(_Entry):
    """A sentence of a document and its alteration, which contradicts it unless the kind is `none`."""

    id: str
    kind: Literal["numbers", "dates", "negation", "none"]
    mode: Literal["notes", "copy"]
    corpus: str
    document: str
    original: str
    altered: str
    question: str
    why: str = ""

    @property
    def key(self) -> str:
        return self.id


class RealDifference(_Entry):
    """Two sentences of real documents that do not agree, or, of kind `none`, only look so."""

    id: str
    kind: Literal["numbers", "dates", "negation", "other", "none"]
    corpus: str
    question: str
    a: Place
    b: Place

    @property
    def key(self) -> str:
        return self.id


def questions(half: Half) -> list[Question]:
    return [Question(**entry) for entry in _read(f"questions-{half}", "question")]


def reports(half: Half) -> list[ReportTask]:
    return [ReportTask(**entry) for entry in _read(f"reports-{half}", "report")]


def pairs(half: Half) -> list[Pair]:
    return [Pair(**entry) for entry in _read(f"pairs-{half}", "pair")]


def real_differences() -> list[RealDifference]:
    return [RealDifference(**entry) for entry in _read("real-differences", "difference")]


def _read(name: str, table: str) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = tomllib.loads((DATA / f"{name}.toml").read_text())[table]
    return entries


def words(text: str) -> str:
    """Text as quotations are looked for in it: words only, so that markup and line breaks do not count."""
    text = LINK_TARGET.sub("]", TARGET.sub("`", ROLE.sub("", html.unescape(text))))
    return f" {' '.join(WORD.findall(text.lower()))} "
