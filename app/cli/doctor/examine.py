"""The whole examination: every check in order, none of which can keep the others from theirs."""

from collections.abc import Callable, Iterator

import redis
from redis.exceptions import NoPermissionError

from app import local_redis
from app.broker.errors import is_passing
from app.cli.doctor import access, leaks, model, queues, searching, server, tasks
from app.cli.doctor.place import Place
from app.cli.redis_access import connect
from app.config import Settings
from app.preflight import server as kept
from app.preflight.finding import Finding, Findings, fail, ok, warn

#: (name, check), in the order in which a person would look.
CHECKS: tuple[tuple[str, Callable[[Place], Findings]], ...] = (
    ("redis", server.version),
    ("role", server.role),
    ("persistence", kept.persistence),
    ("memory", kept.memory),
    ("clock", kept.clock),
    ("buffers", kept.buffers),
    ("functions", server.functions),
    ("workers", queues.workers),
    ("queues", queues.queues),
    ("groups", queues.groups),
    ("pending", queues.pending),
    ("delays", queues.delays),
    ("dead-letters", queues.dead_letters),
    ("tasks", tasks.open_tasks),
    ("audit", tasks.audit),
    ("terms", tasks.terms),
    ("leaks", leaks.leaks),
    ("keys", access.keys),
)


def examine(settings: Settings, url: str | None) -> Iterator[Finding]:
    """Looks at Redis, the API, the language model and the search server, at each whatever the others say."""
    yield ok("settings", f"namespace {settings.namespace}, layout {settings.layout}, data in {settings.data_dir}")
    redis_url = local_redis.redis_url(settings)
    with connect(redis_url) as client:
        yield from _redis(Place(client, local_redis.without_password(redis_url), settings))
    yield from access.api(settings, url)
    yield from model.model(settings)
    yield from searching.searching(settings)


def _redis(place: Place) -> Findings:
    try:
        place.client.ping()
    except (redis.RedisError, OSError) as error:
        advice = "begin `stepstream up`, or set STEPSTREAM_REDIS_URL to a Redis that runs"
        yield fail("redis", f"none answers at {place.url_shown}: {error}", advice)
        return
    for name, check in CHECKS:
        yield from _guarded(name, check, place)


def _guarded(name: str, check: Callable[[Place], Findings], place: Place) -> Findings:
    try:
        yield from check(place)
    except NoPermissionError as error:
        advice = "give the user of the doctor these: `+@read +info +config|get +function|list`"
        yield warn(name, f"this user may not ask: {error}", advice)
    except (redis.RedisError, OSError) as error:
        passing = "try again" if is_passing(error) else "see what Redis says about it"
        yield fail(name, f"Redis answered with an error: {error}", passing)
