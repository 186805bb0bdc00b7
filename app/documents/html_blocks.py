"""Which blocks of a page are its content, and how they are joined."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAIN_SHARE_MIN = 0.25  # of all text: a smaller <main> is a wrapper around something else
CONTENT_SHARE_MIN = 0.25  # if less is left without boilerplate, the names misled us

#: Words of `class` and `id` by which pages call what surrounds their content.
AROUND = re.compile(
    r"(?:nav(?:bar|box|igation|-?links?|-?menu)?|menu|side-?bar(?:s|wrapper|-wrapper)?|sphinxsidebar(?:wrapper)?|related|"
    r"bread-?crumbs?|table-?of-?contents|toc|page-toc|footer|(?:site|page|global)-(?:footer|nav|header)|"
    r"cookies?(?:-\w+){0,3}|advert\w*|ads?|social|share|sharing|pagination|pager|skip-?(?:link|nav|to-\w+)|headerlink|"
    r"permalink|anchor-?link|sr-only|visually-hidden|screen-reader-text|newsletter|edit-(?:this-)?page|prev-next\S*|"
    r"(?:bd|md|wy)-(?:sidebar|nav|footer|header)\S*|rst-versions|mw-editsection|mw-jump-link|noprint|catlinks|"
    r"printfooter|search-?box|searchbox|comments?-(?:form|list)|disqus_thread|promo|banner)"
)
ROLES = frozenset(("navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "toolbar"))


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, heading, list item, table or piece of code; `tight` ones stand close together."""

    text: str
    main: bool = False
    boilerplate: bool = False
    tight: bool = False
    table: bool = False


def is_main(tag: str, values: dict[str, str]) -> bool:
    return tag in ("main", "article") or values.get("role") == "main"


def is_boilerplate(tag: str, values: dict[str, str]) -> bool:
    if tag in ("body", "main", "article", "title"):
        return False
    if tag in ("nav", "footer") or "hidden" in values or values.get("role") in ROLES:
        return True
    words = f"{values.get('class', '')} {values.get('id', '')}".lower()[:1_000].split()
    return any(AROUND.fullmatch(word) for word in words)


def page_text(title: str, blocks: list[Block]) -> str:
    """The blocks that are content as one text, which begins with the page's title."""
    content = _content(blocks)
    if title and not any(block.text.startswith("# ") for block in content):
        content.insert(0, Block(f"# {title}"))
    return "".join(_joined(content)) + ("\n" if content else "")


def _content(blocks: list[Block]) -> list[Block]:
    size = _size(blocks)
    proper = [block for block in blocks if not block.boilerplate]
    main = [block for block in proper if block.main]
    if _size(main) > MAIN_SHARE_MIN * size:
        return main
    return proper if _size(proper) > CONTENT_SHARE_MIN * size else list(blocks)


def _size(blocks: list[Block]) -> int:
    return sum(len(block.text) for block in blocks)


def _joined(blocks: list[Block]) -> Iterator[str]:
    for before, block in zip([None, *blocks], blocks, strict=False):
        if before is not None:
            yield "\n" if before.tight and block.tight else "\n\n"
        yield block.text
