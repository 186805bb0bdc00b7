"""The chain of steps that kept a task from ending sooner."""


def longest_chain_ms(durations_ms: dict[int, int], parents: dict[int, list[int]]) -> int:
    """The longest sum of durations along dependencies; parents are an acyclic plan's."""
    ends: dict[int, int] = {}
    waiting = list(durations_ms)
    while waiting:
        step_id = waiting[-1]
        missing = [parent for parent in parents.get(step_id, ()) if parent in durations_ms and parent not in ends]
        if missing:
            waiting += missing
            continue
        waiting.pop()
        latest = max((ends[parent] for parent in parents.get(step_id, ()) if parent in ends), default=0)
        ends[step_id] = latest + durations_ms[step_id]
    return max(ends.values(), default=0)
