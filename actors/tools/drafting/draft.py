"""
Writes summary and findings with a language model: each sentence is checked before anyone sees it.

A sentence that its passages do not bear out is left out and counted. A section of which nothing held, that the model
left out, or that it never came to is told in the documents' own words instead, from the same analysis. So whatever
the model does, the report is whole, in order, and every sentence has its source.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from anyio import to_thread

from actors.tools.drafting.brief import Brief
from actors.tools.drafting.cutter import Drafted, Heading, closed
from actors.tools.drafting.support import Place, find_elsewhere, find_support
from actors.tools.reporting.citations import normalised
from actors.tools.reporting.compose import OTHER, Composer
from actors.tools.reporting.markdown import (
    FINDINGS,
    print_evidence,
    print_section,
    print_sections,
    print_summary,
    section_heading,
    sentence,
)
from actors.tools.reporting.opening import disagreements
from actors.tools.reporting.press import Press
from actors.tools.text.words import stems
from app.model.report import CitationCounts, Report, Section, Statement

SECTION_SENTENCES_MAX = 12
SUMMARY_SENTENCES_MAX = 6

USELESS_MAX = 12  # sentences without a single one that holds
RESTATED = 0.85  # of a sentence's words
SUMMARY = "summary"


@dataclass(slots=True)
class Draft:
    """A report that grows with what a model writes; `at` is the part it stands in, `done` those that are closed."""

    report: Report
    composer: Composer
    brief: Brief
    press: Press
    counts: CitationCounts = field(default_factory=CitationCounts)
    at: str = SUMMARY
    written: list[Statement] = field(default_factory=list)
    done: set[str] = field(default_factory=set)
    drafted: int = 0

    async def take(self, parts: AsyncIterator[Heading | Drafted]) -> None:
        """What the model writes, part by part, until it is plain that nothing will come of it."""
        async for part in parts:
            if isinstance(part, Heading):
                await self._turn_to(self._section_of(part))
            else:
                await self._say(part)
            if self.counts.dropped >= USELESS_MAX and not self.drafted:
                return

    async def close(self) -> None:
        """Ends the part that is being written, and tells all that the model has not told."""
        await self._end_part()
        if not self.drafted and not self.report.sections:
            self.report.sections = self.composer.sections()
            for part in print_sections(self.report.sections):
                await self._put(part)
            return
        for key in self.brief.sections:
            await self._tell(key)

    def _section_of(self, heading: Heading) -> str | None:
        """The section that is meant, by its id or its title; `None` for what is none of ours."""
        words = normalised(heading.text)
        for key, label in self.brief.sections.items():
            if words.split(":")[0].split(" ")[0] == key or words == normalised(label or OTHER):
                return key
        return None

    async def _turn_to(self, key: str | None) -> None:
        if key is None or key == self.at or key in self.done:
            return
        await self._end_part()
        for earlier in self.brief.sections:
            if earlier == key:
                break
            await self._tell(earlier)
        self.at = key

    async def _say(self, drafted: Drafted) -> None:
        most = SUMMARY_SENTENCES_MAX if self.at == SUMMARY else SECTION_SENTENCES_MAX
        if self.at in self.done or len(self.written) == most or not drafted.text:
            return
        if self._is_told(drafted.text):
            return
        places = await to_thread.run_sync(self._places, drafted)
        if not places:
            return
        self._note(drafted.text)
        numbers = [self.composer.ledger.numbering.number(place.pid, place.quote) for place in places]
        statement = Statement(text=closed(drafted.text), sources=list(dict.fromkeys(numbers)))
        await self.press.put(self._lead() + sentence(statement))
        self.written.append(statement)
        self.drafted += 1

    def _is_told(self, text: str) -> bool:
        """Whether a sentence before it, or one that has its place further down, says all of it."""
        ledger = self.composer.ledger
        return any(_within(text, other) for other in [*ledger.said, *ledger.reserved])

    def _note(self, text: str) -> None:
        """It is said now, and so is each finding that it says in other words."""
        said = self.composer.ledger.said
        said.add(normalised(text))
        said.update(normalised(f.text) for f in self.composer.analysis.findings if _within(f.text, text))

    def _places(self, drafted: Drafted) -> list[Place]:
        """Where the sentence stands; counts what became of its citation."""
        self.counts.total += 1
        known = self.brief.passages
        cited = [known[key] for key in drafted.keys if key in known]
        places = find_support(drafted.text, cited) if cited else []
        if places:
            self.counts.ok += 1
            return places
        # Without an id that was given out it claims no source, and none is looked for.
        places = find_elsewhere(drafted.text, known, cited) if cited else []
        self.counts.repaired += bool(places)
        self.counts.dropped += not places
        return places

    def _lead(self) -> str:
        """What stands before the next sentence of the part."""
        if self.written:
            return " "
        return "\n## Summary\n\n" if self.at == SUMMARY else self._heading() + "\n"

    def _heading(self) -> str:
        """Of a section; the first one comes with the heading of them all."""
        title = self._title(self.at)
        return ("" if self.report.sections else FINDINGS) + (section_heading(title) if title else "")

    def _title(self, key: str) -> str:
        return "" if len(self.brief.sections) == 1 else self.brief.sections[key] or OTHER

    async def _end_part(self) -> None:
        """Closes the part; a summary of which nothing held is told in the documents' words."""
        if self.at in self.done:
            return
        self.done.add(self.at)
        if self.at == SUMMARY:
            await self._end_summary()
        elif self.written:
            self.report.sections.append(Section(title=self._title(self.at), statements=self.written))
            await self._put("\n")
        else:
            self.done.discard(self.at)
        self.written = []

    async def _end_summary(self) -> None:
        if self.written:
            own = [Statement(text=text) for text in disagreements(self.composer.analysis)]
            self.report.summary = [*self.written, *own]
            await self._put("".join(f" {sentence(statement)}" for statement in own) + "\n")
        else:
            self.report.summary = self.composer.summary()
            await self._put(print_summary(self.report.summary))
        self.composer.fill_evidence(self.report)
        for part in print_evidence(self.report):
            await self._put(part)

    async def _tell(self, key: str) -> None:
        """A section in the documents' words, unless the model has told it."""
        if key in self.done:
            return
        self.done.add(key)
        statements = self.composer.section(self.brief.sections[key])
        if statements:
            section = Section(title=self._title(key), statements=statements)
            await self._put(("" if self.report.sections else FINDINGS) + print_section(section))
            self.report.sections.append(section)

    async def _put(self, markdown: str) -> None:
        await self.press.put(markdown)
        await self.press.end_block()


def _within(text: str, other: str) -> bool:
    """Whether the other sentence has nearly all of its words."""
    own = frozenset(stems(text))
    return len(own & frozenset(stems(other))) >= RESTATED * len(own)
