"""What is logged, and how."""

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class LogSettings(BaseSettings):
    """Form and amount of log lines."""

    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="Log lines as JSON or as text for people; `auto`: text where a terminal shows them."
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        "info", description="Least important log lines that are written."
    )
    access_log: bool = Field(True, description="Whether the API logs a line about each request.")

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value
