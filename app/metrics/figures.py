"""The figures of a task, as `GET /metrics/{task_id}` shows them."""

from pydantic import BaseModel

from app.model.task import StepStatus, TaskStatus


class Timing(BaseModel):
    """When the task ran, in epoch milliseconds of the Redis server, and what the time went into."""

    submitted: int | None = None
    started: int | None = None
    finished: int | None = None
    wall_ms: int = 0
    rested_ms: int = 0
    planning_ms: int = 0
    queue_wait_ms: int = 0
    critical_path_ms: int = 0
    busy_ms: int = 0
    parallelism: float = 0.0


class StepCounts(BaseModel):
    """How the steps fared."""

    total: int = 0
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    retries: int = 0
    deferrals: int = 0
    redeliveries: int = 0


class StepMetrics(BaseModel):
    """One step; times are summed over its attempts."""

    step_id: int
    agent: str
    status: StepStatus = StepStatus.WAITING
    attempts: int = 0
    queue_wait_ms: int = 0
    busy_ms: int = 0


class AgentMetrics(BaseModel):
    """All steps of one agent."""

    steps: int = 0
    attempts: int = 0
    queue_wait_ms: int = 0
    busy_ms: int = 0


class LlmMetrics(BaseModel):
    """What language models were asked; of calls that nobody has counted the tokens are missing."""

    calls: int = 0
    calls_uncounted: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    usd: float = 0.0


class RetrievalMetrics(BaseModel):
    """Retrieval steps that began, and different passages they found."""

    queries: int = 0
    passages: int = 0


class CitationMetrics(BaseModel):
    """How the citations of the reports held."""

    total: int = 0
    ok: int = 0
    repaired: int = 0
    dropped: int = 0


class LogMetrics(BaseModel):
    """The size of the event log."""

    count: int = 0
    last_seq: int = 0
    bytes: int = 0


class TaskMetrics(BaseModel):
    """The figures of one task."""

    status: TaskStatus = TaskStatus.QUEUED
    timing: Timing = Timing()
    steps: StepCounts = StepCounts()
    per_step: list[StepMetrics] = []
    per_agent: dict[str, AgentMetrics] = {}
    llm: LlmMetrics = LlmMetrics()
    retrieval: RetrievalMetrics = RetrievalMetrics()
    citations: CitationMetrics = CitationMetrics()
    events: LogMetrics = LogMetrics()
