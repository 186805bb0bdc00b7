"""What the program under test offers, read from its own description; the soak uses and judges what is there."""

from collections.abc import Mapping
from typing import Any

STEERING = ("cancel", "pause", "retry", "fork")


def find(openapi: Mapping[str, Any]) -> frozenset[str]:
    """Names of features: what submissions may say, how tasks can be steered."""
    paths = openapi["paths"]
    body = openapi["components"]["schemas"]["RunTask"]["properties"]
    headers = {parameter["name"].lower() for parameter in paths["/run-task"]["post"].get("parameters", ())}
    found = {name for name in ("deadline", "not_before", "concurrency") if name in body}
    found |= {verb for verb in STEERING if f"/tasks/{{task_id}}/{verb}" in paths}
    found |= {"idempotency"} if "idempotency-key" in headers else set()
    return frozenset(found)
