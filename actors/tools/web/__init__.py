"""The web as a source of the retriever: URLs and searches, with the manners and the caution they need."""

from actors.tools.web.gathering import web_documents
from actors.tools.web.trouble import Failures

__all__ = ["Failures", "web_documents"]
