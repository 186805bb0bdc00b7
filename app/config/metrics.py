"""Where the metrics of workers are served."""

from pydantic import Field
from pydantic_settings import BaseSettings


class MetricsSettings(BaseSettings):
    """The exporter beside the workers of one supervisor."""

    metrics: bool = Field(True, description="Whether workers count and serve metrics.")
    metrics_host: str = Field("127.0.0.1", description="Address at which the workers' metrics are served.")
    metrics_port: int = Field(
        9191, ge=0, le=65_535, description="Their port; taken, the next free one of fifteen. 0: any free one."
    )
    metrics_advertise: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._:-]{1,253}$",
        description="Host by which others find them. Unset: that address; for all addresses, that towards Redis.",
    )
