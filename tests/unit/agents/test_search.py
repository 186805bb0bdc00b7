"""Which passages answer a query."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from actors.tools.retrieval.corpora import Given
from actors.tools.retrieval.index import PassageIndex
from actors.tools.retrieval.search import find_passages, search
from actors.tools.splitting.passages import Passage
from actors.tools.text.words import TOKEN, tokens
from app.model.task import Document


def _find(documents: list[Document], cache: Path, text: str, limit: int = 8) -> list[Passage]:
    return find_passages(PassageIndex(Given(documents), cache), text, limit)


def test_a_document_named_in_the_query_comes_first(readmes: list[Document], tmp_path: Path) -> None:
    """With its best passage on the topic and the one that says what it is."""
    found = _find(readmes, tmp_path, "fastapi errors retries")

    assert found[0].uri == "fastapi.md"
    assert "clear errors" in "".join(passage.text for passage in found)
    assert any("FastAPI is a modern" in passage.text for passage in found[:4])


def test_documents_named_together_take_turns(readmes: list[Document], tmp_path: Path) -> None:
    """No one of them fills the result."""
    found = _find(readmes, tmp_path, "Compare orjson, redis and rich: performance")

    assert {passage.uri for passage in found[:3]} == {"orjson.md", "redis.md", "rich.md"}


def test_without_a_name_the_whole_collection_answers(readmes: list[Document], tmp_path: Path) -> None:
    """By content; change logs come after prose."""
    found = _find(readmes, tmp_path, "structured concurrency on asyncio")

    assert found[0].uri == "anyio.md"


def test_near_duplicates_are_given_once(tmp_path: Path) -> None:
    """Copies of a page under other names add nothing."""
    text = "The broker retries a failed message with a growing delay until its attempts are used up. " * 2
    documents = [Document(name=f"copy{n}.md", text=f"# Copy {n}\n\n{text}") for n in range(6)]
    documents.append(Document(name="own.md", text="Retries of another kind happen in the client, without delay."))

    found = _find(documents, tmp_path, "retries delay")

    assert len(found) == 2
    assert "own.md" in {passage.uri for passage in found}


def test_nothing_fitting_is_an_empty_answer(readmes: list[Document], tmp_path: Path) -> None:
    """Words that no document has find nothing."""
    assert _find(readmes, tmp_path, "xylophone zymurgy") == []


def test_a_query_that_asks_nothing_gets_a_share_of_each_document(readmes: list[Document], tmp_path: Path) -> None:
    """From its opening and evenly on; of more documents than passages the first ones."""
    three = [document for document in readmes if document.name in ("fastapi.md", "redis.md", "rich.md")]

    found = _find(three, tmp_path, "Summarise these documents", limit=6)

    assert sorted(passage.uri for passage in found) == sorted(["fastapi.md", "redis.md", "rich.md"] * 2)
    assert any(passage.line > 50 for passage in found)
    assert len({passage.uri for passage in _find(readmes, tmp_path, "?!", limit=4)}) == 4
    assert _find([Document(name="a.md", text="---")], tmp_path, "Summarise these documents") == []


def test_words_that_mean_nearly_the_same_are_found_too(tmp_path: Path) -> None:
    """At a lower score than the word itself."""
    documents = [
        Document(name="a.md", text="When a step raises an exception, the worker writes it down."),
        Document(name="b.md", text="When a step ends in an error, the worker writes it down."),
    ]

    found = _find(documents, tmp_path, "errors")

    assert [passage.uri for passage in found] == ["b.md", "a.md"]


def test_five_hundred_documents_are_searched(tmp_path: Path) -> None:
    """And the limit holds."""
    documents = [Document(name=f"d{n}.md", text=f"Document {n} speaks of topic{n} and retries.") for n in range(500)]

    assert [passage.uri for passage in _find(documents, tmp_path, "topic321")] == ["d321.md"]
    assert len(_find(documents, tmp_path, "retries", limit=50)) <= 50


def test_a_word_of_a_sentence_is_no_name_of_a_document(tmp_path: Path) -> None:
    """`string.md` is not what a question about strings in general is about, though it is favoured."""
    documents = [
        Document(name="string.md", text="Constants of the module string: digits, letters, punctuation."),
        *(Document(name=f"d{n}.md", text=f"Chapter {n} handles a string and its parts.") for n in range(20)),
        Document(name="speed.md", text="The fastest way to join many a string into one is the method join."),
    ]

    assert _find(documents, tmp_path, "What is the fastest way to join a string with many others?")[0].uri == "speed.md"


def test_other_words_for_the_same_find_more(tmp_path: Path) -> None:
    """What any of the queries finds counts; what most of them find comes first."""
    documents = [
        Document(name="a.md", text="Backpressure slows the producers down."),
        Document(name="b.md", text="A full queue refuses new messages."),
        Document(name="c.md", text="Nothing of interest stands here."),
    ]
    index = PassageIndex(Given(documents), tmp_path)

    found = search([index], "backpressure", 8, ["full queue", "refused messages"])

    assert {passage.uri for passage in found.passages} == {"a.md", "b.md"}
    assert found.documents == 3


def test_several_indexes_are_searched_as_one(tmp_path: Path) -> None:
    """Their rankings are fused, their documents counted together."""
    one, other = (
        PassageIndex(Given([Document(name=f"{name}.md", text=f"The delay of {name} grows.")]), tmp_path)
        for name in ("first", "second")
    )

    found = search([one, other], "delay", 8)

    assert [passage.uri for passage in found.passages] == ["first.md", "second.md"]
    assert found.documents == 2


def test_words_that_every_passage_has_are_found_all_the_same(tmp_path: Path) -> None:
    """Two documents about one thing: there is nothing rare to look for."""
    documents = [Document(name=f"{name}.md", text=f"Retries of {name} wait for a delay.") for name in ("one", "two")]

    found = _find(documents, tmp_path, "How do retries work, and how long is the delay?")

    assert [passage.uri for passage in found] == ["one.md", "two.md"]
    assert all(passage.score > 0 for passage in found)


def test_passages_of_a_document_that_is_named_have_the_score_that_placed_them(tmp_path: Path) -> None:
    """The named document is favoured, and what is told about a source agrees with its place."""
    documents = [
        Document(name="csv.md", text="# csv\n\nA file is read with a delimiter.\n"),
        Document(name="files.md", text="# Files\n\nRead a file with a delimiter: a csv file is read so.\n"),
        *(Document(name=f"{n}.md", text=f"# Part {n}\n\nNothing of it is here.\n") for n in range(40)),
    ]
    found = _find(documents, tmp_path, "How do I read a csv file with a delimiter?")

    assert [passage.uri for passage in found] == ["csv.md", "files.md"]
    assert found[0].score > found[1].score


@given(st.text(st.characters(max_codepoint=0x250)))
def test_words_are_runs_of_letters_and_digits_in_any_script(text: str) -> None:
    """The short way for ASCII finds what the expression finds."""
    assert tokens(text) == TOKEN.findall(text.lower())
