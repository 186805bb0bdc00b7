"""The HTTP interface: where it listens, and what it takes."""

import re
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from app.config.kinds import CommaSeparated

#: As browsers send it: no path, no wildcard.
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")


class ApiSettings(BaseSettings):
    """Address, keys, rates, and the size of a request."""

    api_host: str = Field("127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(8000, ge=0, le=65535, description="Port the API listens on; 0 takes a free one.")
    auth: Literal["auto", "required"] = Field(
        "auto", description="When requests need a key: `auto` everywhere but at loopback addresses, or `required`."
    )
    cors_origins: CommaSeparated = Field(
        (), description="Origins whose pages may use the API, as in https://app.example; comma-separated."
    )
    rate_submit_per_min: int = Field(
        600, ge=0, description="Submissions and steering per key and minute, in all API processes; 0 is no limit."
    )
    rate_read_per_min: int = Field(
        6_000, ge=0, description="Other requests per key and minute, in all API processes; 0 is no limit."
    )
    key_streams_max: int = Field(1_000, ge=0, description="Tasks in open streams per key and process; 0 is no limit.")
    body_bytes_max: int = Field(16 << 20, gt=0, description="Largest request body, bytes.")
    body_s_max: float = Field(60.0, gt=0, description="Longest time for a request body to arrive, seconds.")

    @field_validator("cors_origins")
    @classmethod
    def _only_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if ORIGIN.fullmatch(origin) is None:
                raise ValueError(f"write an origin as scheme://host[:port], in lower case, not {origin[:80]!r}")
        return value
