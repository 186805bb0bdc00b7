"""Several rankings become one: fused, without repetitions, with a share for each document."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.tools.retrieval.fusion import completed, fused, shared_out, without_near_duplicates
from actors.tools.splitting.passages import Passage
from actors.tools.text.words import stem


def _passage(pid: str, uri: str = "a.md", score: float = 1.0, text: str = "") -> Passage:
    return Passage(pid=pid, title="T", uri=uri, text=text or f"words of {pid}", score=score)


def _ids(passages: list[Passage]) -> str:
    return "".join(passage.pid for passage in passages)


RANKING = st.lists(st.sampled_from("abcdefgh"), unique=True).map(lambda ids: [_passage(pid) for pid in ids])


def test_what_several_rankings_have_goes_before_what_one_has() -> None:
    """By reciprocal ranks; a ranking of less weight counts less."""
    first, second = [_passage(pid) for pid in "abc"], [_passage(pid) for pid in "dcb"]

    assert _ids(fused([first, second])) == "bcad"
    assert _ids(fused([first, second], [1.0, 0.01])) == "abcd"
    assert _ids(fused([first])) == "abc"


@settings(deadline=None)
@given(st.lists(RANKING, min_size=1, max_size=4))
def test_fusing_keeps_every_passage_once(rankings: list[list[Passage]]) -> None:
    """And an order in which no passage overtakes one that is before it in every ranking."""
    found = _ids(fused(rankings))

    assert sorted(found) == sorted({passage.pid for ranking in rankings for passage in ranking})
    for one in found:
        for other in found:
            places = [(_ids(ranking).find(one), _ids(ranking).find(other)) for ranking in rankings]
            if one != other and all(0 <= first < second for first, second in places):
                assert found.index(one) < found.index(other)


def test_near_duplicates_of_other_documents_are_dropped() -> None:
    """The better one stays; two hundred candidates are compared in one go."""
    letters = [f"{one}{other}" for one in "abcdefghijklmnop" for other in "abcdefghijklmnop"]
    text = " ".join(f"word{pair}" for pair in letters[:60])
    candidates = [_passage(str(n), f"{n}.md", text=f"{text} only{letters[n]}") for n in range(200)]
    candidates.append(_passage("other", text="Something else altogether stands here."))

    assert [passage.pid for passage in without_near_duplicates(candidates, 8)] == ["0", "other"]


def test_editions_of_one_document_are_kept_but_not_hundreds_of_them() -> None:
    """Other numbers or a denial may contradict; what is set against them has room as well."""
    text = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")
    candidates = [_passage(str(n), f"{n}.md", text=f"{text} lasts {n} seconds") for n in range(10, 200)]
    candidates.insert(1, _passage("denied", "d.md", text=f"{text} not lasts 10 seconds"))
    candidates.append(_passage("other", text="Something else altogether stands here."))

    assert [passage.pid for passage in without_near_duplicates(candidates, 8)] == ["10", "denied", "11", "other"]


def test_a_document_that_had_its_share_waits_for_others_as_good() -> None:
    """But not for much worse ones."""
    many = [_passage(pid, "a.md", 1.0) for pid in "abcd"]

    assert _ids(shared_out([*many, _passage("x", "b.md", 0.95)], share=2)) == "abxcd"
    assert _ids(shared_out([*many, _passage("x", "b.md", 0.5)], share=2)) == "abcdx"


@pytest.mark.parametrize(("limit", "expected"), [(4, "abczd"), (8, "abcdz")])
def test_words_that_the_first_passages_lack_get_the_last_places(limit: int, expected: str) -> None:
    """No more than a quarter of them."""
    ranking = [_passage(pid, text="plain text") for pid in "abcd"]
    found = {"zebra": [_passage("z", text="zebra")], "yak": [], "emu": [_passage("e")]}

    assert (
        _ids(completed(ranking, ["zebras", "texts", "yak", "emu"], limit, lambda word: found[stem(word)])) == expected
    )
