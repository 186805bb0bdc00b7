"""The settings of one process, put together from their groups and read from the environment."""

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from app.config.api import ApiSettings
from app.config.common import CommonSettings
from app.config.llm import LlmSettings
from app.config.logs import LogSettings
from app.config.metrics import MetricsSettings
from app.config.tasks import TaskSettings
from app.config.tracing import TracingSettings
from app.config.viewing import ViewingSettings
from app.config.web import WebSettings
from app.config.work import WorkSettings
from app.errors import StepstreamError

PREFIX = "STEPSTREAM_"
#: Variables that commands and clients read by themselves.
OTHER_VARIABLES = frozenset({"STEPSTREAM_URL", "STEPSTREAM_API_KEY", "STEPSTREAM_ALLOW_INSECURE"})


# Fields stand in the order of the groups from the last to the first, and so does docs/configuration.md.
class Settings(
    MetricsSettings, TracingSettings, LogSettings, ViewingSettings, LlmSettings, WebSettings, WorkSettings,
    TaskSettings, ApiSettings, CommonSettings,
):  # fmt: skip
    """The configuration of one process; see docs/configuration.md for the prose."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")


class BadSettings(StepstreamError):
    """The environment holds values that make no sense; `lines` has one sentence for each."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


def read_settings() -> Settings:
    """The settings as the environment has them; raises `BadSettings`, which repeats no value."""
    try:
        return Settings()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise BadSettings([_sentence(finding["loc"], finding["msg"]) for finding in found]) from None


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Those that look like settings and are none: most likely misspelt."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | OTHER_VARIABLES
    return sorted(name for name in names if name.startswith(PREFIX) and name not in known)


def _sentence(where: tuple[int | str, ...], said: str) -> str:
    # What concerns several settings names them itself.
    if not where:
        return said.removeprefix("Value error, ")
    first, *rest = map(str, where)
    variable = f"{PREFIX}{first.upper()}" if first in Settings.model_fields else first
    return f"{'.'.join([variable, *rest])}: {said.removeprefix('Value error, ')}"
