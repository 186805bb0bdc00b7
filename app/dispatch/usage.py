"""What language models took, as the scripts add it up."""

from collections.abc import Iterable

from app.model.events import EventData, LlmUsage

NANO = 1_000_000_000


def taken(events: Iterable[EventData]) -> list[int]:
    """
    The calls among the events, the tokens they read and wrote, and their cost in billionths of a dollar.

    What is unknown counts as 0.
    """
    used = [event for event in events if isinstance(event, LlmUsage)]
    return [
        len(used),
        sum(usage.input_tokens or 0 for usage in used),
        sum(usage.output_tokens or 0 for usage in used),
        sum(round((usage.usd or 0.0) * NANO) for usage in used),
    ]
