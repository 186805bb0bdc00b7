"""
Brings a report to its readers as it is written: in Markdown, as a page or as data.

A page grows block by block, each made harmless by itself; data is written when the report is whole. In each form the
pieces that are streamed, joined, are the text that is stored.
"""

import json
import re
from dataclasses import dataclass, field

from anyio import to_thread

from app import page
from app.dispatch.context import StepContext
from app.model.output import OutputFormat
from app.model.report import Report

#: What a terminal obeys, what turns text around and what nobody sees; in data it is written as an escape.
UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
MEMBER = re.compile(r'^(?=  "[a-z_]+":)', re.MULTILINE)


@dataclass(slots=True)
class Press:
    """Streams one report in the form its task wants."""

    ctx: StepContext
    title: str
    markdown: list[str] = field(default_factory=list)
    streamed: list[str] = field(default_factory=list)
    block: list[str] = field(default_factory=list)

    @property
    def form(self) -> OutputFormat:
        return self.ctx.output_format

    @property
    def text(self) -> str:
        """The document as far as it has been streamed."""
        return "".join(self.streamed)

    async def put(self, markdown: str) -> None:
        """The next piece of the present block."""
        self.markdown.append(markdown)
        self.block.append(markdown)
        if self.form is OutputFormat.MARKDOWN:
            await self._stream(markdown)

    async def end_block(self) -> None:
        """The pieces since the last call are blocks of Markdown by themselves."""
        whole = "".join(self.block)
        self.block.clear()
        if self.form is OutputFormat.HTML and whole:
            if not self.streamed:
                await self._stream(page.head(self.title))
            await self._stream(await to_thread.run_sync(page.body, whole))

    async def close(self, report: Report) -> None:
        """The end of the document, when the report is whole."""
        await self.end_block()
        if self.form is OutputFormat.HTML:
            await self._stream(page.TAIL)
        elif self.form is OutputFormat.JSON:
            data = UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], report.model_dump_json(indent=2))
            for member in MEMBER.split(data):
                await self._stream(member)

    async def _stream(self, text: str) -> None:
        self.streamed.append(text)
        await self.ctx.delta(text, media_type=self.form.media_type)
