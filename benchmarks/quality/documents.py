"""The documents as the program reads them."""

from functools import cache

from app.documents.readers import read
from app.model.task import Document

from .corpora import corpus


@cache
def readable(name: str) -> list[Document]:
    """The documents of a corpus, in order. Raises `NotHere`."""
    return [read(document.name, document.content, document.media_type) for document in corpus(name).values()]
