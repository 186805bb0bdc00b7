"""Numbers the passages a report cites and prints where each stands."""

from dataclasses import dataclass, field

from actors.tools.citations import locate
from actors.tools.inline import escape, plain, shorten
from actors.tools.passages import Passage

QUOTATION_CHARS_MAX = 140


@dataclass(frozen=True, slots=True)
class Source:
    """A cited passage with its number and the lines and quotations that are cited."""

    number: int
    passage: Passage
    quotes: list[tuple[int, str]]

    def as_dict(self) -> dict[str, object]:
        place = self.passage.model_dump(include={"pid", "title", "uri", "heading"})
        quotes = [{"line": line, "quote": quote} for line, quote in self.quotes]
        return {"number": self.number, **place, "quotes": quotes}


@dataclass(slots=True)
class Numbering:
    """Gives each cited passage a number in the order of first use."""

    passages: dict[str, Passage]
    quotes: dict[str, list[str]] = field(default_factory=dict)

    def mark(self, pid: str, quote: str) -> str:
        known = self.quotes.setdefault(pid, [])
        if quote not in known:
            known.append(quote)
        return f"[{list(self.quotes).index(pid) + 1}]"

    def sources(self) -> list[Source]:
        return [
            Source(number, self.passages[pid], sorted((_line(self.passages[pid], quote), quote) for quote in quotes))
            for number, (pid, quotes) in enumerate(self.quotes.items(), start=1)
        ]


def print_sources(numbering: Numbering, dropped: int) -> list[str]:
    if not numbering.quotes:
        return []
    note = "Every numbered sentence was checked word for word against its source."
    if dropped:
        note += f" {dropped} left out: not found in the source."
    lines = "".join(f"- {_source(source)}\n" for source in numbering.sources())
    return [f"\n## Sources\n\n{note}\n\n{lines}"]


def _source(source: Source) -> str:
    path = [part for part in source.passage.heading.split(" > ") if part][-2:]
    heading = f", “{escape(' / '.join(path))}”" if path else ""
    numbers = [str(line) for line in dict.fromkeys(line for line, _ in source.quotes)]
    lines = f"line{'' if len(numbers) == 1 else 's'} {in_words(numbers)}"
    quotation = escape(shorten(plain(source.quotes[0][1]), QUOTATION_CHARS_MAX))
    return f"[{source.number}] {escape(source.passage.uri)}{heading}, {lines}: “{quotation}”"


def _line(passage: Passage, quote: str) -> int:
    return passage.line + passage.text.count("\n", 0, locate(quote, passage.text) or 0)


def in_words(parts: list[str], word: str = "and") -> str:
    """A list as a sentence has it: "a, b and c"."""
    return " ".join([", ".join(parts[:-1]), word, parts[-1]]) if len(parts) > 1 else "".join(parts)
