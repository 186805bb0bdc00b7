"""The process beside the workers of one supervisor that serves their metrics; Dramatiq's main process runs it."""

import signal
import socket
from functools import partial
from multiprocessing import connection, parent_process

import structlog

from app import local_redis, redis_urls
from app.config import Settings, read_settings
from app.logs.setup import configure
from app.metrics.exporter import Exporter
from app.metrics.run_folder import RunFolder, places, run_name
from app.metrics.worker_middleware import ADDRESS
from app.metrics.worker_scrape import WorkerScrape

#: How often it is looked whether anybody lives: when nothing points to an end, and when it was asked for.
LOOK_S, LOOK_AT_END_S = 0.5, 0.05
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104  # they are looked for

log = structlog.get_logger(__name__)


def serve() -> int:
    """Serves until the supervisor has ended; the exit code."""
    settings = read_settings()
    configure(settings.log_format, settings.log_level, "metrics")
    name = run_name()
    if name is None:
        return 0
    try:
        folder = RunFolder.enter(places(settings.data_dir), name)
    except OSError as error:
        log.warning("metrics_not_served", error=str(error))
        return 0
    scrape = WorkerScrape(folder.path)
    announce = partial(_announce, settings, folder)
    try:
        Exporter(scrape.render, settings.metrics_host, settings.metrics_port, announce).run(Supervised(scrape))
    finally:
        folder.leave()
    return 0


class Supervised:
    """
    As long as the supervisor: also when that is killed. When it is asked to stop its workers still drain, and what they
    count is worth a scrape: so it ends behind the last of them, or when it is asked again.
    """

    def __init__(self, scrape: WorkerScrape) -> None:
        self._scrape = scrape
        self._asked = 0
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def over(self) -> bool:
        parent = parent_process()
        look_s = LOOK_AT_END_S if self._asked else LOOK_S
        if parent is None or connection.wait([parent.sentinel], look_s):
            return True
        return self._asked > 1 or (self._asked == 1 and self._scrape.living == 0)

    def _ask(self, *_: object) -> None:
        self._asked += 1


def _announce(settings: Settings, folder: RunFolder, port: int) -> None:
    """Tells people in the log, and the workers in their folder, whose reports carry it on."""
    host = settings.metrics_advertise or reachable(settings)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
    draft = folder.path / f"{ADDRESS}.draft"
    try:
        draft.write_text(url, encoding="utf-8")
        draft.rename(folder.path / ADDRESS)
    except OSError as error:
        log.warning("metrics_address_not_told", error=str(error))
    log.info("metrics_served", url=url)


def reachable(settings: Settings) -> str:
    """The host under which others find us: of all our addresses that with which we reach Redis, else our name."""
    if settings.metrics_host not in EVERYWHERE:
        return settings.metrics_host
    try:
        host, port = redis_urls.nearest(local_redis.redis_url(settings))
        family = socket.AF_UNSPEC if ":" in settings.metrics_host else socket.AF_INET
        found = socket.getaddrinfo(host, port, family, socket.SOCK_DGRAM)
        family, kind, _, _, place = found[0]
        with socket.socket(family, kind) as probe:
            # Of a datagram socket this sends nothing.
            probe.connect(place)
            return str(probe.getsockname()[0])
    except (OSError, ValueError) as error:
        log.info("metrics_host_by_name", error=str(error))
        return socket.gethostname()
