"""How steps are run, and how tasks are ended and looked after."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class WorkSettings(BaseSettings):
    """Leases, deaths, threads; steering; the audit."""

    lease_ms: int = Field(10_000, ge=500, description="How long a worker may be silent before its work moves on.")
    layout: Literal["per-queue", "single"] = Field(
        "per-queue", description="One stream per agent, or the one stream `agent_tasks` for all."
    )
    crashes_max: int = Field(3, gt=0, description="Worker deaths during one step after which the step fails.")
    agent_threads_max: int = Field(64, gt=0, description="Most agents written as `def` that run at once per process.")
    shutdown_grace_ms: int = Field(25_000, ge=0, description="How long running steps may finish after SIGTERM.")

    cancel_grace_ms: int = Field(
        10_000, ge=0, description="How long a graceful cancellation waits for running steps before it forces them."
    )
    idempotency_s: int = Field(86_400, gt=0, description="How long an Idempotency-Key is remembered, seconds.")
    audit_interval_ms: int = Field(30_000, gt=0, description="Time between two audits of all open tasks.")
    audit_grace_ms: int = Field(10_000, gt=0, description="How old a step must be to count as lost in an audit.")
