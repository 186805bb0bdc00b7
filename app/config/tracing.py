"""What is traced."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class TracingSettings(BaseSettings):
    """Whether there are traces; where they go is said by the standard variables."""

    tracing: Literal["auto", "on", "off"] = Field(
        "auto",
        description="OpenTelemetry traces; `auto`: where `OTEL_EXPORTER_OTLP_ENDPOINT` is set and the extra `otel` is "
        "installed.",
    )
