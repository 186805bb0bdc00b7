"""Which documents a word of a question names."""

from actors.tools.retrieval.index import Name, View
from actors.tools.splitting.passages import name_stem
from actors.tools.text.words import tokens

NAMED_BY_MAX = 50  # documents that one word may name
#: A word that more passages than these, and this part of all, have outside of the documents called so is like others.
ORDINARY_MIN, ORDINARY_SHARE = 30, 0.1


def named_by(word: str, known: list[Name]) -> list[Name]:
    """The documents that the word names: those called exactly so, else those with it in their name."""
    called = tokens(word)
    exact = [name for name in known if tokens(name_stem(name.uri)) == called]
    if exact:
        return exact
    part = [name for name in known if set(called) <= set(tokens(name_stem(name.uri)))]
    # A word in many names ("guide", "2024") tells no document from another.
    return part if len(part) <= max(1, len(known) // 4) else []


def named_in(view: View, word: str) -> list[Name]:
    """The same for all documents of an index, however many they are; a word that stands everywhere names none."""
    called = tokens(word)
    exact = [name for name in view.names_with(called, NAMED_BY_MAX, only=True) if tokens(name_stem(name.uri)) == called]
    few = min(NAMED_BY_MAX, max(1, view.named // 4))
    found = exact or view.names_with(called, few + 1)
    if len(found) > (NAMED_BY_MAX if exact else few):
        return []
    return [] if found and _is_ordinary(view, word, found) else found


def _is_ordinary(view: View, word: str, named: list[Name]) -> bool:
    ordinary = max(ORDINARY_MIN, ORDINARY_SHARE * view.passages)
    elsewhere = view.frequency(word)
    for name in named:
        if elsewhere <= ordinary:
            break
        elsewhere -= view.frequency(word, uri=name.uri)
    return elsewhere > ordinary
