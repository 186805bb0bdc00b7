"""What language models took, as the scripts add it up."""

from collections.abc import Iterable

from app.model.events import EventData, LlmUsage

NANO = 1_000_000_000


def taken(events: Iterable[EventData]) -> tuple[int, int]:
    """Tokens, both ways, and billionths of a dollar, of the calls among the events; what is unknown counts as 0."""
    used = [event for event in events if isinstance(event, LlmUsage)]
    tokens = sum((usage.input_tokens or 0) + (usage.output_tokens or 0) for usage in used)
    return tokens, sum(round((usage.usd or 0.0) * NANO) for usage in used)
