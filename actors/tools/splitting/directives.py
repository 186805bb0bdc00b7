"""What the directives of reStructuredText (`.. name:: argument`) mean to a reader of passages."""

import re
from typing import Literal

from actors.tools.text.words import word_set

Role = Literal["admonition", "code", "silent", "object"]

DIRECTIVE = re.compile(r"\s*\.\.(?:\s|$)")
NAMED = re.compile(r"\s*\.\. ([a-z][\w:+.-]{0,40})::(?:\s+(\S.*))?$", re.IGNORECASE)

ADMONITIONS = word_set(
    """note warning tip hint important caution danger attention admonition seealso error topic sidebar rubric
    versionadded versionchanged deprecated deprecated-removed versionremoved impl-detail availability only container
    epigraph highlights pull-quote compound list-table table glossary centered hlist"""
)
CODE = word_set(
    """code code-block sourcecode literalinclude doctest testcode testoutput productionlist parsed-literal prompt
    ipython math console command-output program-output"""
)
SILENT = word_set(
    """image figure toctree index raw include contents highlight highlightlang module currentmodule py:module
    py:currentmodule sectionauthor moduleauthor codeauthor tabularcolumns meta class-alias role default-role target
    footer header sectnum title unicode date replace program default-domain testsetup testcleanup autosummary
    automodule autoclass autofunction plot graphviz digraph"""
)


def role_of(line: str) -> Role | None:
    """What a directive is there for; `None` when the line begins none, or a comment or a target."""
    match = NAMED.match(line)
    if match is None:
        return None
    name = match[1].lower()
    for role, names in (("admonition", ADMONITIONS), ("code", CODE), ("silent", SILENT)):
        if name in names:
            return role  # type: ignore[return-value]
    # What is left describes something by its signature: a function, a class, an option of a command.
    return "object" if match[2] else "admonition"


def signature(line: str) -> str:
    match = NAMED.match(line)
    return (match[2] or "").strip() if match else ""
