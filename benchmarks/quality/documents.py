"""The documents as the program reads them."""

from functools import cache

from app.model.task import Document

from .corpora import corpus


@cache
def readable(name: str) -> list[Document]:
    """The documents of a corpus, in order. Raises `NotHere`."""
    return [Document(name=document.name, text=document.plain) for document in corpus(name).values()]
