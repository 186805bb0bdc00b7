"""The language model, if there is one: any server that speaks the API of OpenAI."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class LlmSettings(BaseSettings):
    """Where the model is, and how long and how often it is asked."""

    llm_base_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="Server of a language model, as in http://127.0.0.1:11434/v1. Unset: none is used.",
    )
    llm_model: str | None = Field(None, max_length=200, description="Name of the model at that server.")
    llm_api_key: SecretStr | None = Field(None, description="Key for that server; many local ones need none.")
