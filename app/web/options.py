"""How the retriever may use the web: what bootstrap hands to agents, and to whoever checks a submission."""

from dataclasses import dataclass, field

from app.web.policy import WebPolicy


@dataclass(frozen=True, slots=True)
class WebOptions:
    """
    The bounds of fetching. Times are seconds, sizes bytes.

    `searxng_url` is the search server, "" when there is none; `page_s_max` is the time one URL may take from its
    first address to its last byte, `pages_max` how many hits of a search are read.
    """

    fetch: bool = True
    policy: WebPolicy = field(default_factory=WebPolicy)
    searxng_url: str = ""
    urls_max: int = 20
    pages_max: int = 6
    page_bytes_max: int = 4 << 20
    page_s_max: float = 20.0
    interval_s: float = 0.5
    cache_s: float = 3_600.0
    cache_bytes_max: int = 256 << 20
    user_agent: str = "stepstream"

    @property
    def searches(self) -> bool:
        return self.fetch and bool(self.searxng_url)
