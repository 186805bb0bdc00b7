"""The bounds that services hold to, from the settings."""

from app.config import Settings
from app.dispatch.execute import ExecutorOptions
from app.dispatch.growth import GrowthLimits
from app.dispatch.store import TaskLimits
from app.dispatch.submission import SubmissionLimits
from app.llm.options import LlmOptions, Price
from app.planning.validator import PlanLimits
from app.web.options import WebOptions
from app.web.policy import WebPolicy, read_entry


def task_limits(settings: Settings) -> TaskLimits:
    return TaskLimits(
        backlog_max=settings.backlog_max,
        open_tasks_max=settings.open_tasks_max,
        retention_ms=settings.retention_s * 1000,
        idempotency_ttl_ms=settings.idempotency_s * 1000,
        cancel_grace_ms=settings.cancel_grace_ms,
        crashes_max=settings.crashes_max,
        audit_interval_ms=settings.audit_interval_ms,
        audit_grace_ms=settings.audit_grace_ms,
    )


def executor_options(settings: Settings) -> ExecutorOptions:
    return ExecutorOptions(
        result_bytes_max=settings.result_bytes_max,
        cache_dir=settings.data_dir / "cache",
        collections=settings.collections,
        web=web_options(settings),
        growth=GrowthLimits(
            added_max=settings.steps_added_max,
            steps_max=settings.plan_steps_max,
            payload_bytes_max=settings.payload_bytes_max,
        ),
    )


def llm_options(settings: Settings) -> LlmOptions | None:
    """How the language model is asked, or `None` where none is configured."""
    if settings.llm_base_url is None or settings.llm_model is None:
        return None
    return LlmOptions(
        base_url=settings.llm_base_url,
        model=settings.llm_model,
        api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else "",
        connect_s=settings.llm_connect_s,
        first_token_s=settings.llm_first_token_s,
        stall_s=settings.llm_stall_s,
        total_s=settings.llm_total_s,
        concurrency_max=settings.llm_concurrency_max,
        # Who gives no price for cached tokens pays for them as for any others.
        prices={
            model: Price(price[0], price[1], price[-1] if len(price) > 2 else price[0])
            for model, price in settings.llm_prices.items()
        },
    )


def submission_limits(settings: Settings) -> SubmissionLimits:
    return SubmissionLimits(
        task_chars_max=settings.task_chars_max,
        documents_max=settings.documents_max,
        documents_bytes_max=settings.documents_bytes_max,
        web=web_options(settings),
        plan=PlanLimits(steps_max=settings.plan_steps_max, payload_bytes_max=settings.payload_bytes_max),
    )


def web_options(settings: Settings) -> WebOptions:
    return WebOptions(
        fetch=settings.web_fetch,
        policy=WebPolicy(tuple(map(int, settings.web_ports)), tuple(map(read_entry, settings.web_allow))),
        searxng_url=settings.searxng_url or "",
        urls_max=settings.web_urls_max,
        pages_max=settings.web_pages_max,
        page_bytes_max=settings.web_page_bytes_max,
        page_s_max=settings.web_page_s_max,
        interval_s=settings.web_interval_ms / 1000,
        cache_s=settings.web_cache_s,
        cache_bytes_max=settings.web_cache_bytes_max,
        user_agent=settings.web_user_agent,
    )
