"""What went wrong at the model's server, in the errors that agents raise; no text here holds a key or an address."""

import email.utils
import time
from collections.abc import Mapping

import httpx2
import openai

from app.errors import AgentError, LlmUnusable, Permanent, RateLimited, Retryable

#: How long a server that gives no time is left alone.
RATE_LIMITED_MS = 5_000
QUOTE_CHARS_MAX = 200
BASE_URL, MODEL, KEY = "STEPSTREAM_LLM_BASE_URL", "STEPSTREAM_LLM_MODEL", "STEPSTREAM_LLM_API_KEY"
TOO_LONG = ("context_length", "context length", "context size", "context window", "maximum context", "too many tokens")


def translated(error: Exception, api_key: str) -> AgentError:
    """The error of the SDK or its HTTP client as one of ours."""
    if isinstance(error, openai.APIStatusError):
        return of_status(error.status_code, said_by(error), error.response.headers, api_key)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException | TimeoutError):
        return Retryable(f"The model's server ({BASE_URL}) could not be reached in time.", code="llm_timeout")
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError):
        cause = type(error.__cause__ or error).__name__
        return Retryable(f"The connection to the model's server ({BASE_URL}) failed: {cause}.", code="llm_unreachable")
    if isinstance(error, openai.APIError):
        said = _quoted(str(error), api_key)
        return Retryable(f"The model's server broke its answer off: {said}", code="llm_broken_answer")
    return Retryable(f"The model's server sent what cannot be read: {type(error).__name__}.", code="llm_broken_answer")


def said_by(error: openai.APIStatusError) -> str:
    """The server's own words, with its code, whatever form they have."""
    body = error.body
    if isinstance(body, Mapping):
        parts = [body.get(name) for name in ("message", "code", "type", "param", "detail")]
        return " ".join(str(part) for part in parts if part)
    return str(body or error.message)


def of_status(status: int, said: str, headers: Mapping[str, str], api_key: str) -> AgentError:
    """What an answer with this status means for the step that asked."""
    quote = _quoted(said, api_key)
    if status == 429:
        return _too_often(said, headers)
    if status >= 500 or status in (408, 409, 425):
        failed = f"The model's server failed with status {status}: {quote}"
        return Retryable(failed, code="llm_failed", retry_after_ms=retry_after_ms(headers))
    if status == 413 or any(words in said.lower() for words in TOO_LONG):
        return LlmUnusable(f"What the model is asked is too long for it: {quote}", code="llm_context_too_long")
    return _refused(status, quote)


def _too_often(said: str, headers: Mapping[str, str]) -> AgentError:
    if "insufficient_quota" in said:
        return Permanent(f"The account behind {KEY} has no credit left.", code="llm_no_credit")
    wait_ms = retry_after_ms(headers) or RATE_LIMITED_MS
    return RateLimited("The model's server asks for patience.", retry_after_ms=wait_ms)


def _refused(status: int, quote: str) -> Permanent:
    # Its words about a key may repeat the key.
    if status in (401, 403):
        return Permanent(f"The model's server refuses the key ({KEY}): status {status}.", code="llm_key_refused")
    if status == 404:
        missing = f"The model's server has no such model or path ({MODEL}, {BASE_URL}): {quote}"
        return Permanent(missing, code="llm_not_found")
    return Permanent(f"The model's server refuses the request with status {status}: {quote}", code="llm_refused")


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """How long the server asks to be left alone (RFC 9110, section 10.2.3); some say it in milliseconds."""
    for name, unit_ms in (("retry-after-ms", 1), ("retry-after", 1000)):
        try:
            return max(1, round(float(headers.get(name, "")) * unit_ms))
        except (ValueError, OverflowError):
            continue
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (TypeError, ValueError):
        return None
    return max(1, round((moment.timestamp() - time.time()) * 1000))


def _quoted(said: str, api_key: str) -> str:
    text = " ".join(said.split())
    if api_key:
        text = text.replace(api_key, "[redacted]")
    return text if len(text) <= QUOTE_CHARS_MAX else text[: QUOTE_CHARS_MAX - 1] + "…"
