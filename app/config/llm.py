"""The language model, if there is one: any server that speaks the API of OpenAI."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode


def _split_prices(value: object) -> object:
    if not isinstance(value, str):
        return value
    prices: dict[str, tuple[float, ...]] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        # Names of models hold colons and slashes, and now and then an equals sign.
        model, found, numbers = part.rpartition("=")
        try:
            price = tuple(float(number) for number in numbers.split("/"))
        except ValueError:
            price = ()
        if not found or len(price) not in (2, 3) or not all(0 <= number < PRICE_MAX for number in price):
            raise ValueError("write prices as model=input/output or model=input/output/cached, separated by commas")
        prices[model.strip()] = price
    return prices


#: US dollars per million tokens.
PRICE_MAX = 1_000_000
Prices = Annotated[dict[str, tuple[float, ...]], NoDecode, BeforeValidator(_split_prices)]


class LlmSettings(BaseSettings):
    """Where the model is, how long and how often it is asked, and whether it plans."""

    llm_base_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="Server of a language model, as in http://127.0.0.1:11434/v1. Unset: none is used.",
    )
    llm_model: str | None = Field(None, max_length=200, description="Name of the model at that server.")
    llm_api_key: SecretStr | None = Field(None, description="Key for that server; many local ones need none.")
    llm_connect_s: float = Field(10.0, gt=0, description="Longest time to reach the server, seconds.")
    llm_first_token_s: float = Field(
        60.0, gt=0, description="Longest wait for the first token, seconds; a local server may load its model first."
    )
    llm_stall_s: float = Field(30.0, gt=0, description="Longest silence behind the first token, seconds.")
    llm_total_s: float = Field(300.0, gt=0, description="Longest time for one call, seconds.")
    llm_concurrency_max: int = Field(4, gt=0, description="Most calls under way per process; others wait.")
    llm_prices: Prices = Field(
        default_factory=dict,
        description="US dollars per million tokens: model=input/output[/cached input], comma-separated.",
    )
    planner: Literal["rules", "llm"] = Field("rules", description="Who plans tasks that do not say it.")
    planner_s_max: float = Field(
        20.0, gt=0, description="Longest time for the model's plan, its repair included; then the rules plan, seconds."
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.llm_base_url and not self.llm_model:
            raise ValueError("STEPSTREAM_LLM_BASE_URL needs STEPSTREAM_LLM_MODEL: the name of the model to ask")
        if self.planner == "llm" and not self.llm_base_url:
            raise ValueError("STEPSTREAM_PLANNER=llm needs STEPSTREAM_LLM_BASE_URL: the server of the model that plans")
        return self
