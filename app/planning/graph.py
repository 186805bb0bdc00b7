"""Cycles in what waits for what."""

from collections.abc import Mapping, Sequence
from typing import TypeGuard


def is_id(value: object) -> TypeGuard[int]:
    """Whether JSON gave an integer; `true` is none, though Python calls it one."""
    return isinstance(value, int) and not isinstance(value, bool)


def cycles(edges: Mapping[int, Sequence[object]]) -> list[list[int]]:
    """
    Disjoint cycles of length two and more, each starting at its smallest id; empty if the graph is acyclic.

    Unknown ids and edges from a step to itself are not its concern.
    """
    stuck = _stuck(edges)
    follow = {step_id: next(parent for parent in parents if parent in stuck) for step_id, parents in stuck.items()}
    found: list[list[int]] = []
    visited: set[int] = set()
    for start in sorted(follow):
        path: list[int] = []
        here = start
        while here not in visited:
            visited.add(here)
            path.append(here)
            here = follow[here]
        if here in path:
            found.append(_from_smallest(path[path.index(here) :]))
    return found


def _stuck(edges: Mapping[int, Sequence[object]]) -> dict[int, list[int]]:
    """The steps that can never start, with what they wait for: on a cycle, or behind one."""
    waiting = {
        step_id: [parent for parent in parents if is_id(parent) and parent != step_id and parent in edges]
        for step_id, parents in edges.items()
    }
    children: dict[int, list[int]] = {step_id: [] for step_id in waiting}
    for step_id, parents in waiting.items():
        for parent in parents:
            children[parent].append(step_id)
    missing = {step_id: len(parents) for step_id, parents in waiting.items()}
    ready = [step_id for step_id, count in missing.items() if not count]
    while ready:
        done = ready.pop()
        for child in children[done]:
            missing[child] -= 1
            if not missing[child]:
                ready.append(child)
    return {step_id: waiting[step_id] for step_id, count in missing.items() if count}


def _from_smallest(cycle: list[int]) -> list[int]:
    turn = cycle.index(min(cycle))
    return cycle[turn:] + cycle[:turn]
