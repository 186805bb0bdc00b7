"""
What any client of an event stream may rely on: one table, run through a bare socket, httpx2, curl and Chromium.

Each behaviour ends with a client that was told 204, and with exactly the log in its hands: every event once, in order.
"""

import re
from collections.abc import Callable

import pytest

from tests.conformance.conftest import KINDS, Follow, Follows
from tests.conformance.road import Road
from tests.conformance.site import Api, Site

pytestmark = pytest.mark.full

TROUBLE = re.compile(r'"level":"(?:warning|error|critical)"|^[^{]', re.MULTILINE)


def has(follower: Follows, count: int) -> Callable[[], bool]:
    return lambda: follower.count >= count


def whole(site: Site, task_id: str, follower: Follows) -> None:
    """The client has got all, and nothing twice, and knows that it is the end."""
    follower.wait_over()
    assert follower.ids == site.ids(task_id)
    assert [frame.body["seq"] for frame in follower.seen] == list(range(1, len(follower.seen) + 1))


def first_of(site: Site, road: Road) -> Api:
    """The process to which the road leads."""
    return next(api for api in site.living if api.port == road.ports[0])


def a_finished_task_is_replayed_and_closed(site: Site, road: Road, follow: Follow) -> None:
    """One trip for the log, one for the 204."""
    task_id = site.finished()
    whole(site, task_id, follow(task_id))


def a_live_task_is_followed(site: Site, road: Road, follow: Follow) -> None:
    """Events come as they happen."""
    task_id = site.submit()
    follower = follow(task_id)
    for step_id in (1, 2, 3):
        before = len(site.ids(task_id))
        follower.wait(has(follower, before), "what there was did not come")
        site.finish(task_id, step_id)
    whole(site, task_id, follower)


def a_drop_behind_any_event_costs_none(site: Site, road: Road, follow: Follow) -> None:
    """Each trip ends in the middle of the second event."""
    road.weather.events_per_trip = 1
    task_id = site.finished()
    follower = follow(task_id)
    whole(site, task_id, follower)
    assert road.trips >= len(site.ids(task_id))


def a_killed_api_process_is_replaced_by_another(site: Site, road: Road, follow: Follow) -> None:
    """kill -9 in the middle; the other one goes on from where the client is."""
    task_id = site.submit()
    follower = follow(task_id)
    follower.wait(has(follower, len(site.ids(task_id))), "the stream did not begin")
    site.finish(task_id, 1)
    first_of(site, road).kill()
    site.finish(task_id, 2, 3)
    whole(site, task_id, follower)


def a_farewell_leads_to_another_process(site: Site, road: Road, follow: Follow) -> None:
    """SIGTERM ends the stream and the process at once, without a word of trouble in its log."""
    task_id = site.submit()
    follower = follow(task_id)
    follower.wait(has(follower, len(site.ids(task_id))), "the stream did not begin")
    ending = first_of(site, road)
    # It may have lived through worse before.
    before = len(ending.log.read_text())
    assert ending.terminate() in (0, -15)
    assert not TROUBLE.search(ending.log.read_text()[before:])
    site.finish(task_id, 1, 2, 3)
    whole(site, task_id, follower)


def a_stream_is_rotated(site: Site, road: Road, follow: Follow) -> None:
    """The maximum age of a stream shows in nothing but its trips."""
    hasty = site.start_api(STEPSTREAM_STREAM_S_MAX="0.3")
    road.ports = [hasty.port]
    task_id = site.submit()
    follower = follow(task_id)
    for step_id in (1, 2, 3):
        trips = road.trips
        follower.wait(lambda trips=trips: road.trips > trips, "the stream was not rotated")  # type: ignore[misc]
        site.finish(task_id, step_id)
    whole(site, task_id, follower)
    hasty.kill()


def a_restarted_redis_costs_no_event(site: Site, road: Road, follow: Follow) -> None:
    """kill -9 of the server; the stream stays open meanwhile."""
    task_id = site.submit()
    follower = follow(task_id)
    follower.wait(has(follower, len(site.ids(task_id))), "the stream did not begin")
    trips = road.trips
    site.finish(task_id, 1)
    site.kill_redis()
    site.start_redis()
    site.finish(task_id, 2)
    follower.wait(has(follower, len(site.ids(task_id))), "the stream did not go on")
    assert road.trips == trips
    site.finish(task_id, 3)
    whole(site, task_id, follower)


def killed_push_connections_cost_no_event(site: Site, road: Road, follow: Follow) -> None:
    """Redis forgets all subscribers, again and again."""
    task_id = site.submit()
    follower = follow(task_id)
    follower.wait(has(follower, len(site.ids(task_id))), "the stream did not begin")
    for step_id in (1, 2, 3):
        site.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        site.finish(task_id, step_id)
        site.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    whole(site, task_id, follower)


def a_slow_client_misses_nothing(site: Site, road: Road, follow: Follow) -> None:
    """It gets megabytes at its own pace, while more is written, and keeps nobody else waiting."""
    task_id = site.submit()
    site.make_long(task_id, 60)
    road.weather.bytes_per_s = 2 << 20
    slow, other = follow(task_id), follow(task_id)
    slow.wait(has(slow, 5), "the stream did not begin")
    site.make_long(task_id, 20)
    site.end_log(task_id)
    whole(site, task_id, slow)
    whole(site, task_id, other)


def a_client_that_never_reads_is_dropped_and_may_come_back(site: Site, road: Road, follow: Follow) -> None:
    """Its connection is cut and its place free; once it reads again, it gets the rest."""
    task_id = site.submit()
    follower = follow(task_id)
    follower.wait(has(follower, len(site.ids(task_id))), "the stream did not begin")
    road.weather.blocked = True
    site.make_long(task_id, 200)
    trips = road.trips
    follower.wait(lambda: first_of(site, road).viewers == 0, "its place is still taken")
    road.weather.blocked = False
    site.end_log(task_id)
    whole(site, task_id, follower)
    assert road.trips > trips


def a_log_that_was_rolled_back_is_sent_anew(site: Site, road: Road, follow: Follow) -> None:
    """A failover lost the tail: the client is told to forget, and ends with what is true now."""
    task_id = site.submit()
    site.finish(task_id, 1)
    follower = follow(task_id)
    follower.wait(has(follower, len(site.ids(task_id))), "the stream did not begin")
    site.roll_back(task_id, keep=3)
    road.weather.events_per_trip = 1  # whatever it has open is cut at the next event
    site.end_log(task_id)
    site.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    follower.wait(lambda: follower.resets > 0, "the client was not told")
    road.weather.events_per_trip = None
    whole(site, task_id, follower)


TABLE = (
    a_finished_task_is_replayed_and_closed, a_live_task_is_followed, a_drop_behind_any_event_costs_none,
    killed_push_connections_cost_no_event, a_killed_api_process_is_replaced_by_another,
    a_farewell_leads_to_another_process, a_stream_is_rotated, a_restarted_redis_costs_no_event,
    a_slow_client_misses_nothing, a_client_that_never_reads_is_dropped_and_may_come_back,
    a_log_that_was_rolled_back_is_sent_anew,
)  # fmt: skip
Behaviour = Callable[[Site, Road, Follow], None]


@pytest.mark.parametrize("kind", [*KINDS, "chromium"])
@pytest.mark.parametrize("behaviour", TABLE, ids=lambda behaviour: behaviour.__name__)
def test_every_client_gets_every_event_once(
    site: Site, road: Road, follow: Follow, behaviour: Behaviour, kind: str
) -> None:
    """Whatever happens on the way; see each behaviour of the table."""
    behaviour(site, road, follow)
