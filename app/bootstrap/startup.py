"""What a process does before anything else: reads its settings, sets up its logs, imports the agents."""

import importlib
import os
import sys
from typing import Never

import structlog

from app import local_redis
from app.config import BadSettings, Settings, read_settings, unknown_variables
from app.errors import StepstreamError, Unavailable
from app.llm.door import LlmExtraMissing, require_extra
from app.logs.setup import configure, configure_structlog, in_dramatiq_command
from app.model.agents import AgentRegistry, registry
from app.preflight.needs import Role
from app.preflight.watch import Watch
from app.tracing.door import TracingExtraMissing, traced, wanted
from stepstream import require_own_packages

BUILT_IN_AGENTS = ("actors.retriever", "actors.analyzer", "actors.writer")
EXIT_USAGE = 2

log = structlog.get_logger(__name__)


class AgentModuleMissing(StepstreamError, ImportError):
    """A module that the settings name is not there."""


def begin(service: str) -> Settings:
    """
    The settings of this process, its logs set up and its agents imported.

    What a person has to mend ends the process with a line about it and exit code 2.
    """
    try:
        settings = read_settings()
    except BadSettings as error:
        configure("auto", "info", service)
        _refuse("settings_refused", problems=error.lines)
    configure(settings.log_format, settings.log_level, service)
    if unknown := unknown_variables(os.environ):
        log.warning("settings_unknown", names=unknown)
    try:
        load_agents(settings)
        if settings.llm_base_url is not None:
            require_extra()
        if not traced(settings.tracing) and wanted(settings.tracing):
            log.warning("tracing_extra_missing", said="no traces: pip install 'stepstream[otel]'")
    except AgentModuleMissing as error:
        _refuse("agent_module_missing", error=error)
    except LlmExtraMissing as error:
        _refuse("llm_extra_missing", error=error)
    except TracingExtraMissing as error:
        _refuse("tracing_extra_missing", error=error)
    _look_at_redis(settings, "worker" if service == "workers" else "api")
    return settings


def _look_at_redis(settings: Settings, role: Role) -> None:
    """Refuses a Redis that would lose tasks; one that is away is looked at when it comes."""
    watch = Watch(local_redis.redis_url(settings), settings.namespace, role, may_evict=settings.redis_may_evict)
    try:
        refused = watch.look()
    except Unavailable as error:
        log.warning("redis_away", error=error)
        watch.postpone()
        return
    if refused:
        sys.exit(EXIT_USAGE)


def begin_worker() -> Settings:
    """The same for a process of Dramatiq's command; in any other program, logs and exit are not ours to decide on."""
    if in_dramatiq_command():
        return begin("workers")
    configure_structlog()
    return read_settings()


def load_agents(settings: Settings) -> AgentRegistry:
    """
    Imports the built-in and the user's agents by module name; importing them does no I/O.

    The current folder is looked at last, so that a user's agents are found there, and our own modules first.
    Raises `AgentModuleMissing`; what a module raises itself is its own.
    """
    require_own_packages()
    if settings.agent_modules and not {"", ".", os.getcwd()}.intersection(sys.path):  # noqa: PTH109  # a path as text
        sys.path.append(os.getcwd())  # noqa: PTH109
    for module in (*BUILT_IN_AGENTS, *settings.agent_modules):
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise AgentModuleMissing(f"There is no module {module!r} in the current folder or on the path.") from error
    return registry


def _refuse(event: str, **fields: object) -> Never:
    log.critical(event, **fields)
    sys.exit(EXIT_USAGE)
