"""What a report has said so far: every passage has one number, and no sentence is said twice."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from actors.tools.analysing.findings import Agreement, Quotation
from actors.tools.reporting.citations import normalised
from actors.tools.reporting.sources import Numbering
from actors.tools.text.inline import plain
from actors.tools.text.sentences import sentences
from app.model.report import Statement

PART_CHARS_MIN = 25  # shorter pieces recur in other sentences by chance


@dataclass(slots=True)
class Ledger:
    """
    Says sentences, each once.

    `reserved` are sentences that have a better place further down. `agreed` has, for what one document says, where
    others say the same: whoever says it cites them all.
    """

    numbering: Numbering
    reserved: set[str] = field(default_factory=set)
    agreed: dict[str, Sequence[Quotation]] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    said_parts: set[str] = field(default_factory=set)  # the sentences of quotations that have several

    def reserve(self, quotations: Iterable[Quotation]) -> None:
        self.reserved.update(normalised(quotation.text) for quotation in quotations)

    def agree(self, agreement: Agreement) -> None:
        """The first side speaks for all; what the others say is not said again."""
        first, *others = agreement.sides
        self.agreed.setdefault(normalised(first.text), others)
        self.reserved.update(normalised(other.text) for other in others if other.text != first.text)

    def is_free(self, quotation: Quotation) -> bool:
        """Whether it may be said here: neither it nor a part of it is said elsewhere, nor it as a part."""
        text = normalised(quotation.text)
        taken = self.said | self.reserved
        if text in taken or not self.said_parts.isdisjoint(_parts(quotation)):
            return False
        return not any(_overlap(text, other) for other in taken)

    def say(self, quotation: Quotation) -> Statement:
        """The sentence with its numbers; from now on it has been said."""
        self.said.add(normalised(quotation.text))
        self.said_parts |= _parts(quotation)
        lead = plain(quotation.context) if quotation.form == "item" else ""
        return Statement(text=quotation.text, sources=self.cite(quotation), lead=lead)

    def say_free(self, quotations: Iterable[Quotation]) -> list[Statement]:
        """Those that may be said here, in their order, each once."""
        return [self.say(quotation) for quotation in quotations if self.is_free(quotation)]

    def cite(self, quotation: Quotation) -> list[int]:
        """The numbers alone."""
        places = [quotation, *self.agreed.get(normalised(quotation.text), [])]
        numbers = []
        for place in places:
            if place.context:
                self.numbering.number(place.pid, place.context)
            numbers.append(self.numbering.number(place.pid, place.quote))
        return list(dict.fromkeys(numbers))


def _parts(quotation: Quotation) -> set[str]:
    """The sentences of a quotation, as far as they are long enough to be told from others."""
    if quotation.form != "sentence":
        return set()
    texts = (normalised(sentence.text) for sentence in sentences(quotation.text))
    return {text for text in texts if len(text) >= PART_CHARS_MIN}


def _overlap(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= PART_CHARS_MIN and short.rstrip(".") in long
