"""Numbers the passages a report cites, and says where each stands."""

from dataclasses import dataclass, field

from actors.tools.reporting.citations import locate
from actors.tools.splitting.passages import Passage
from app.model.report import Quote, Source


@dataclass(slots=True)
class Numbering:
    """Gives each cited passage a number in the order of first use."""

    passages: dict[str, Passage]
    quotes: dict[str, list[str]] = field(default_factory=dict)

    def number(self, pid: str, quote: str) -> int:
        """The passage's number; the quotation is kept for its source."""
        known = self.quotes.setdefault(pid, [])
        if quote not in known:
            known.append(quote)
        return list(self.quotes).index(pid) + 1

    def sources(self) -> list[Source]:
        return [
            _source(number, self.passages[pid], quotes) for number, (pid, quotes) in enumerate(self.quotes.items(), 1)
        ]


def _source(number: int, passage: Passage, quotes: list[str]) -> Source:
    lines = sorted((_line(passage, quote), quote) for quote in quotes)
    return Source(
        number=number, pid=passage.pid, title=passage.title, uri=passage.uri, heading=passage.heading,
        quotes=[Quote(line=line, quote=quote) for line, quote in lines],
    )  # fmt: skip


def _line(passage: Passage, quote: str) -> int:
    return passage.line + passage.text.count("\n", 0, locate(quote, passage.text) or 0)
