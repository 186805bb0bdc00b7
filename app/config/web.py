"""The web as a source: whether pages are fetched, which, how many, and how gently."""

import re

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from app.config.kinds import CommaSeparated
from app.web.policy import read_entry
from app.web.urls import parse_url

PORT = re.compile(r"[1-9][0-9]{0,4}")


class WebSettings(BaseSettings):
    """Which URLs tasks may name, and how they are fetched."""

    web_fetch: bool = Field(
        True, description="Whether workers fetch the URLs that tasks name, and what a search finds: public pages only."
    )
    web_allow: CommaSeparated = Field(
        (),
        description="Hosts and networks that are fetched though they are not public: "
        "`wiki.corp.example`, `.corp.example`, `10.2.0.0/16`, each with `:port` if need be; comma-separated.",
    )
    web_ports: CommaSeparated = Field(("80", "443"), description="Ports that URLs may have; comma-separated.")
    searxng_url: str | None = Field(
        None,
        description="SearXNG server for web searches, as in http://127.0.0.1:8888; it may be a private one.",
    )
    web_urls_max: int = Field(20, gt=0, le=100, description="Most URLs that one task may name.")
    web_pages_max: int = Field(6, gt=0, le=20, description="Most pages that are read of one search.")
    web_page_bytes_max: int = Field(4 << 20, gt=0, description="Largest page that is read, unpacked, bytes.")
    web_page_s_max: float = Field(20.0, gt=0, description="Longest time for one page to arrive, seconds.")
    web_interval_ms: int = Field(
        500, ge=0, description="Pause between two requests to one host, kept by all workers of a machine."
    )
    web_cache_s: float = Field(
        3_600.0, ge=0, description="How long a fetched page is used without asking whether it has changed, seconds."
    )
    web_cache_bytes_max: int = Field(
        256 << 20, ge=0, description="Most bytes of fetched pages that a machine keeps in its data directory."
    )
    web_user_agent: str = Field(
        "stepstream/0.1",
        pattern=r"^[!-~][ -~]{0,199}$",
        description="What sites are told about who asks; add an address at which you can be reached.",
    )

    @field_validator("web_allow")
    @classmethod
    def _only_entries(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            read_entry(entry)
        return value

    @field_validator("web_ports")
    @classmethod
    def _only_ports(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(PORT.fullmatch(port) and int(port) < 65_536 for port in value):
            raise ValueError("write ports as numbers between 1 and 65535, separated by commas")
        return value

    @field_validator("searxng_url")
    @classmethod
    def _only_url(cls, value: str | None) -> str | None:
        if value is not None and "?" in parse_url(value).target:
            raise ValueError("write the address of the server, without a query")
        return value
