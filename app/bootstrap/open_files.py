"""How many connections the system lets this process hold."""

import structlog

try:
    import resource
except ImportError:  # only Unix has such limits
    resource = None  # type: ignore[assignment]

#: For all that is no viewer: the log, Redis, other requests, the reserve of a burst.
FILES_RESERVED = 256

log = structlog.get_logger(__name__)


def affordable(viewers_max: int) -> int:
    """
    As many viewers as there may be open files for, `viewers_max` at most.

    Shells give 1,024 by default and allow far more, so the limit is raised as far as it is needed. A viewer too many
    is refused with a sentence; a connection too many would not even be accepted, and neither would a health check.
    """
    if resource is None:
        return viewers_max
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = viewers_max + FILES_RESERVED
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return viewers_max
    found = max(1, soft - FILES_RESERVED)
    log.warning("viewers_limited_by_open_files", viewers=found, wanted=viewers_max, open_files=soft)
    return found
