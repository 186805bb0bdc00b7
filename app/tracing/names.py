"""
The names that spans and their attributes have: the one place that knows the conventions of OpenTelemetry.

Pinned to versions, because all but `http.*` and `error.type` are in development and still change:

- GenAI 0.1.0, https://github.com/open-telemetry/semantic-conventions-genai/tree/v0.1.0/docs/gen-ai
- messaging 1.44.0, https://github.com/open-telemetry/semantic-conventions/tree/v1.44.0/docs/messaging
- HTTP 1.44.0, https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/http/http-spans.md
- errors 1.44.0, https://github.com/open-telemetry/semantic-conventions/blob/v1.44.0/docs/general/recording-errors.md

What no convention has a name for begins with `stepstream.`.
"""

#: The version of all that is not GenAI, as traces carry it.
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

ERROR_TYPE = "error.type"
#: The conventions' word for an error without a type.
OTHER = "_OTHER"

HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
URL_PATH = "url.path"
URL_SCHEME = "url.scheme"

MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION = "messaging.operation.name"
MESSAGING_OPERATION_TYPE = "messaging.operation.type"
MESSAGING_DESTINATION = "messaging.destination.name"
MESSAGING_GROUP = "messaging.consumer.group.name"
MESSAGING_MESSAGE_ID = "messaging.message.id"
#: The conventions know no value for Redis Streams.
REDIS = "redis"

GEN_AI_OPERATION = "gen_ai.operation.name"
GEN_AI_PROVIDER = "gen_ai.provider.name"
GEN_AI_AGENT = "gen_ai.agent.name"
#: The id of the task: by it backends put together what belongs to one piece of work.
GEN_AI_CONVERSATION = "gen_ai.conversation.id"
GEN_AI_MODEL = "gen_ai.request.model"
GEN_AI_STREAM = "gen_ai.request.stream"
GEN_AI_MAX_TOKENS = "gen_ai.request.max_tokens"  # counted, not kept secret
GEN_AI_TEMPERATURE = "gen_ai.request.temperature"
GEN_AI_OUTPUT_TYPE = "gen_ai.output.type"
GEN_AI_FINISH = "gen_ai.response.finish_reasons"
GEN_AI_FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
GEN_AI_INPUT_TOKENS = "gen_ai.usage.input_tokens"
GEN_AI_OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
GEN_AI_CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_TOOL = "gen_ai.tool.name"
GEN_AI_TOOL_TYPE = "gen_ai.tool.type"
#: Who runs agents here.
STEPSTREAM = "stepstream"
#: Which form of API a model is asked by, whoever serves it.
OPENAI = "openai"

TASK_ID = "stepstream.task.id"
STEP_ID = "stepstream.step.id"
ATTEMPT = "stepstream.attempt"
BATCH_STEPS = "stepstream.batch.steps"
DELIVERY = "stepstream.delivery"
WORKER = "stepstream.worker"
#: completed, failed, retried, deferred, released, fenced or cancelled.
OUTCOME = "stepstream.outcome"
ERROR_CODE = "stepstream.error.code"
STEPS = "stepstream.plan.steps"
PLANNER = "stepstream.planner"
REPLAYED = "stepstream.replayed"
LLM_CALL = "stepstream.llm.call"
USD = "stepstream.llm.usd"
INTERRUPTED = "stepstream.interrupted"
#: On a link: what the span it leads to is.
LINK = "stepstream.link"
