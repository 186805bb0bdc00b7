"""What counts as a contradiction between two documents, and what only looks like one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.tools.analysing.analysis import analyse
from actors.tools.analysing.findings import Difference
from actors.tools.contradictions.dates import dates
from actors.tools.contradictions.quantities import quantities, versions
from actors.tools.contradictions.readings import read
from actors.tools.splitting.passages import split
from app.model.task import Document
from tests.unit.agents.pairs import COMPATIBLE, CONTRADICTING


def _differences(first: str, second: str, names: tuple[str, str] = ("guide.md", "manual.md")) -> list[Difference]:
    texts = zip(names, (first, second), strict=True)
    passages = [passage for name, text in texts for passage in split(Document(name=name, text=text))]
    return analyse("", [], passages).differences


def test_every_planted_contradiction_is_found_with_its_kind() -> None:
    """Numbers, dates and negations, each said in two ways."""
    missed = [
        (kind, first, second)
        for kind, first, second in CONTRADICTING
        if [pair.kind for pair in _differences(first, second)] != [kind]
    ]

    assert len(CONTRADICTING) >= 50
    assert missed == []


def test_what_only_looks_like_a_contradiction_is_none() -> None:
    """Other attributes, versions, conditions, examples, ranges, rounding, products, double negations."""
    cried_wolf = [(why, first, second) for why, first, second in COMPATIBLE if _differences(first, second)]

    assert len(COMPATIBLE) >= 60
    assert cried_wolf == []


def test_a_difference_quotes_both_sides_and_says_what_it_is_about() -> None:
    """Word for word, in the order of the documents' names."""
    (pair,) = _differences("The **worker lease** lasts 10 seconds.", "By default the worker lease lasts 30 s.")

    assert pair.a.quote == "The **worker lease** lasts 10 seconds."
    assert pair.a.text == "The worker lease lasts 10 seconds."
    assert (pair.b.quote, pair.about) == ("By default the worker lease lasts 30 s.", "worker lease")


def test_rows_of_a_table_are_about_what_their_first_cell_names() -> None:
    """Two editions of a table: the same row may differ, another row may not."""
    head = "| Package | 99th percentile | 95th percentile | 50th percentile |\n|---|---|---|---|\n"
    table = head + "| alpha | {} ms | 1.0 ms | 0.2 ms |\n| alpha-normalizer | 1.9 ms | 0.9 ms | 0.2 ms |\n"

    assert not _differences(table.format("2.7"), table.format("2.7"))
    (pair,) = _differences(table.format("2.7"), table.format("4.1"))
    assert {pair.a.text.partition(";")[0], pair.b.text.partition(";")[0]} == {"Package: alpha"}


def test_readmes_of_two_products_do_not_contradict_each_other() -> None:
    """Though their sentences name no product; the same sentences in two manuals of one do."""
    first, second = "The pool holds 10 connections.", "The pool holds 50 connections."

    assert not _differences(
        f"# Alpha\n\nAlpha is a client. {first}", f"# Beta\n\nBeta is a client. {second}", ("alpha.md", "beta.md")
    )
    assert _differences(f"Alpha is a client. {first}", f"Beta is a client. {second}")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("v1/guide.md", "Uploads are limited to 20 MB."), ("v2/guide.md", "Uploads are limited to 50 MB.")),
        (
            ("a.md", "# Windows\n\nPaths may have 260 characters."),
            ("b.md", "# Paths\n\nPaths may have 4096 characters."),
        ),
        (
            ("a.md", "# Old\n\nUploads are limited to 20 MB.\n\n# New plan\n\nUploads are limited to 50 MB."),
            ("b.md", "x"),
        ),
    ],
)
def test_editions_platforms_and_sections_tell_things_apart(first: tuple[str, str], second: tuple[str, str]) -> None:
    """By the documents' names and headings."""
    assert not _differences(first[1], second[1], (first[0], second[0]))


def test_entries_of_a_reference_speak_of_what_their_headings_name() -> None:
    """Two functions may return different things; the same one may not."""
    first, second = "# {}(path)\n\nThe list is sorted.", "# {}(path)\n\nThe list is not sorted."

    assert not _differences(first.format("listdir"), second.format("scandir"))
    assert _differences(first.format("listdir"), second.format("listdir"))


def test_a_copy_that_was_edited_contradicts_its_original() -> None:
    """Word for word the same but for one of several numbers; another version is another thing."""
    text = "It raises an error on an integer that exceeds {} bits by default or, when it is told so, 53 bits."

    (pair,) = _differences(text.format(64), text.format(32))

    assert (pair.kind, pair.a.text) == ("numbers", text.format(64))
    assert not _differences("Version 2 of it keeps 10 connections open.", "Version 3 of it keeps 50 connections open.")


def test_a_document_may_contradict_itself() -> None:
    """Where two of its sections speak of the same attribute in nearly the same words."""
    text = "# Settings\n\nThe lease lasts 10 seconds.\n\n# FAQ\n\nBy default the lease lasts 30 seconds."

    assert [pair.kind for pair in _differences(text, "Nothing here.")] == ["numbers"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,000 ms, one second and 1 s", [1000.0] * 3),
        ("64 KiB, 65,536 bytes", [65536.0] * 2),
        ("10k requests, about 2.5 million rows", [10_000.0, 2_500_000.0]),
        ("raised from 5 to 10 seconds", [10_000.0]),
        ("99.9 % or 5 percent, $10 a month, a 30-second timeout", [99.9, 5.0, 10.0, 30_000.0]),
        ("See RFC 9110, step 3, HTTP 404, Python 3.9, v2.1 and 1.2.3 at 12:30", []),
    ],
)
def test_numbers_are_read_however_they_are_written(text: str, expected: list[float]) -> None:
    """In base units; versions and identifiers are none."""
    assert [quantity.high for quantity in quantities(text)] == expected


def test_dates_agree_when_one_includes_the_other() -> None:
    """Days, months, quarters and years, in several notations; an ambiguous one agrees with both of its readings."""
    (day,), (same,), (month,), (ambiguous,) = map(
        dates, ("2024-03-04", "4 March 2024", "in March 2024", "03/04/2024")
    )  # fmt: skip

    assert not any(day.conflicts(other) for other in (same, month, ambiguous))
    assert day.conflicts(dates("April 4th, 2024")[0])
    assert dates("2024-13-01, 31.31.2024 and 2024 rows") == []


def test_versions_are_read_apart() -> None:
    """With their product, without white space."""
    assert versions("Python 3.9 or version 2") == {"python3.9", "version2"}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([*"0123456789.,:;-/$%` \n", "not ", "n't", "if ", "seconds ", "March ", "2024"]), max_size=60
    )
)
def test_no_text_breaks_a_reading(pieces: list[str]) -> None:
    """Whatever the mixture of digits, units and signs."""
    for reading in read("".join(pieces)):
        assert reading.words
