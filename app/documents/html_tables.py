"""Tables of a page: those with data become rows with bars, those that only lay out a page vanish around their text."""

from app.documents.html_blocks import Block

CELL_CHARS_MAX = 600
COLUMNS_MAX = 40


class Table:
    """One table being read; cells are remembered as ranges of the page's blocks."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []
        self._cell_start: int | None = None
        self._first: int | None = None
        self._layout = False
        self._caption = ""

    def opened(self, tag: str, at: int) -> None:
        self._first = at if self._first is None else self._first
        if tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th", "caption"):
            self._cell_start = at

    def closed(self, tag: str, blocks: list[Block]) -> None:
        if tag not in ("td", "th", "caption") or self._cell_start is None:
            return
        inside = blocks[self._cell_start :]
        text = " ".join(block.text for block in inside)
        self._layout |= len(text) > CELL_CHARS_MAX or "\n" in text or any(_is_structure(block) for block in inside)
        self._cell_start = None
        if tag == "caption":
            self._caption = text
        elif self._rows:
            self._rows[-1].append(text.replace("|", "\\|"))

    def start(self, otherwise: int) -> int:
        return otherwise if self._first is None else self._first

    def rows_if_data(self) -> str:
        """The rows as Markdown, the first as the header; nothing when the table is no table of data."""
        rows = [row for row in self._rows if any(row)]
        width = max(map(len, rows), default=0)
        if self._layout or len(rows) < 2 or not 2 <= width <= COLUMNS_MAX:
            return ""
        lines = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in rows]
        caption = [self._caption, ""] if self._caption else []
        return "\n".join([*caption, lines[0], "|" + "---|" * width, *lines[1:]])


def _is_structure(block: Block) -> bool:
    return block.table or block.text.startswith(("#", "```"))
