"""
What can be wrong with a document or a folder of them.

    DocumentError             cannot be used as it is; one sentence names it and says why
    ├── DocumentUnreadable    the system refused to read it; another attempt may succeed
    └── UnknownFormat         nothing here reads files of its kind
"""


class DocumentError(ValueError):
    """A folder or file that cannot be used as it is; the text is one sentence naming it."""


class DocumentUnreadable(DocumentError):
    """The system refused to read a file; another attempt may find it readable."""


class UnknownFormat(DocumentError):
    """A file of a kind that nothing here reads."""
