"""Which model is asked, where, for how long, and what it costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.model.llm import Reply

TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens; `cached` are tokens of the input that the server had seen before."""

    input: float
    output: float
    cached: float

    def usd(self, reply: Reply) -> float | None:
        """What the answer cost, or `None` when the server has not counted its tokens."""
        if reply.input_tokens is None or reply.output_tokens is None:
            return None
        cached = min(reply.cached_tokens or 0, reply.input_tokens)
        fresh = reply.input_tokens - cached
        return (fresh * self.input + cached * self.cached + reply.output_tokens * self.output) / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True)
class LlmOptions:
    """Times are seconds; `stall_s` is the longest silence behind the first token."""

    base_url: str = field(repr=False)  # may hold a password
    model: str
    api_key: str = field(default="", repr=False)
    connect_s: float = 10.0
    first_token_s: float = 60.0
    stall_s: float = 30.0
    total_s: float = 300.0
    concurrency_max: int = 4
    prices: Mapping[str, Price] = field(default_factory=dict)

    def usd(self, reply: Reply) -> float | None:
        """What the answer cost, or `None` when nobody has said the model's price."""
        price = self.prices.get(self.model)
        return price.usd(reply) if price else None
