"""The span of one call to a model."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import AgentError
from app.llm.answer import Answer
from app.llm.question import Question
from app.tracing import names
from app.tracing.tracer import NO_SPAN, Attributes, Begin, Span, Tracer


@contextmanager
def chatting(tracer: Tracer, model: str, question: Question, name: str, answer: Answer) -> Iterator[Span]:
    """While a model answers, with what that took; nothing of what is asked and answered."""
    if not tracer.keeps():
        yield NO_SPAN
        return
    attributes: Attributes = {
        names.GEN_AI_OPERATION: "chat",
        names.GEN_AI_PROVIDER: names.OPENAI,
        names.GEN_AI_MODEL: model,
        names.GEN_AI_STREAM: True,
        names.GEN_AI_MAX_TOKENS: question.tokens_max,
        names.GEN_AI_TEMPERATURE: question.temperature,
        names.GEN_AI_OUTPUT_TYPE: "text" if question.schema is None else "json",
        names.LLM_CALL: name,
    }
    with tracer.span(Begin(f"chat {model}", "client", attributes, current=False)) as span:
        try:
            yield span
        except AgentError as error:
            span.set({names.ERROR_CODE: error.code})
            raise
        finally:
            if answer.asked:
                _tell(span, answer)


def _tell(span: Span, answer: Answer) -> None:
    reply = answer.reply()
    span.set(
        {
            names.GEN_AI_FINISH: [reply.finish] if answer.finished else None,
            names.GEN_AI_FIRST_CHUNK_S: None if reply.ttft_ms is None else reply.ttft_ms / 1000,
            names.GEN_AI_INPUT_TOKENS: reply.input_tokens,
            names.GEN_AI_OUTPUT_TOKENS: reply.output_tokens,
            names.GEN_AI_CACHED_TOKENS: reply.cached_tokens,
            names.USD: reply.usd,
        }
    )
