"""Those who watch: event streams, waiting submissions."""

from pydantic import Field
from pydantic_settings import BaseSettings


class ViewingSettings(BaseSettings):
    """How many may watch, and for how long."""

    viewers_max: int = Field(10_000, gt=0, description="Most open event streams per API process.")
    viewer_queue_max: int = Field(256, gt=0, description="Events buffered per viewer before it reads from Redis.")
    waiters_max: int = Field(
        1_000,
        gt=0,
        description="Most submissions per API process that wait for the end of their task (`Prefer: wait`).",
    )
    heartbeat_s: float = Field(15.0, gt=0, description="Comment heartbeat of an event stream, seconds.")
    stream_s_max: float = Field(
        600.0, gt=0, description="Age at which an event stream ends and its client comes back, seconds, +-20 %."
    )
    send_s_max: float = Field(
        30.0, gt=0, description="How long a client of an event stream may take nothing before it is dropped, seconds."
    )
