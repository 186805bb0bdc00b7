"""The language model, where one is configured: does its server answer, and does it know the model?"""

import asyncio
import time

from app.bootstrap import bounds
from app.config import Settings
from app.errors import AgentError
from app.llm.door import LlmExtraMissing, opened
from app.llm.options import LlmOptions
from app.preflight.finding import Findings, fail, ok, warn

SHOWN_MAX = 5


def model(settings: Settings) -> Findings:
    """Asks for the list of models, which costs nothing; within `STEPSTREAM_LLM_CONNECT_S`."""
    options = bounds.llm_options(settings)
    if options is None:
        return
    began_s = time.monotonic()
    try:
        known = asyncio.run(_models(options))
    except LlmExtraMissing as error:
        yield fail("model", str(error), "install it where API and workers run")
        return
    except AgentError as error:
        advice = "see that it runs, and that STEPSTREAM_LLM_BASE_URL and STEPSTREAM_LLM_API_KEY are right"
        yield fail("model", str(error), advice)
        return
    ms = (time.monotonic() - began_s) * 1000
    if options.model in known:
        yield ok("model", f"{options.model} is served, answered in {ms:.0f} ms")
    else:
        # A server of one model may take any name for it.
        shown = ", ".join(known[:SHOWN_MAX]) or "none"
        yield warn("model", f"its server does not list {options.model} (but {shown})", "see STEPSTREAM_LLM_MODEL")


async def _models(options: LlmOptions) -> list[str]:
    async with opened(options) as llm:
        assert llm is not None  # noqa: S101  # there are options; this is for the type checker
        return await llm.client.models()
