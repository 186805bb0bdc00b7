"""Dead letters are kept with all that is needed to look at them, and not for ever."""

import dramatiq
import redis

from app.broker import RedisStreamsBroker
from app.broker.keys import QueueKeys
from tests.integration.broker.conftest import MakeBroker, fetch


def bury(broker: RedisStreamsBroker, count: int) -> list[str]:
    """Sends and rejects so many messages; returns their ids in order of death."""
    actor = broker.actors.get("nothing") or dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    consumer = broker.consume("default", prefetch=1, timeout=50)
    dead = []
    for _ in range(count):
        actor.send()
        message = fetch(consumer)
        consumer.nack(message)
        dead.append(message.message_id)
    return dead


def kept(client: "redis.Redis", names: QueueKeys) -> list[set[str]]:
    """The members in the zset, of the bodies and of the meta."""
    members = (client.zrange(names.dlq, 0, -1), client.hkeys(names.dlq_bodies), client.hkeys(names.dlq_meta))
    return [{member.decode() for member in found} for found in members]


def test_the_oldest_dead_letters_make_room(make_broker: MakeBroker, redis_client: "redis.Redis") -> None:
    """Above `dead_max` the oldest leave, with their bodies and their meta."""
    broker = make_broker(dead_max=3)
    names = broker.keys.queue("default")
    first = bury(broker, 3)
    for place, message_id in enumerate(first):
        redis_client.zincrby(names.dlq, -10 + place, message_id)

    later = bury(broker, 2)

    assert kept(redis_client, names) == [{first[2], *later}] * 3


def test_old_dead_letters_leave_when_a_new_one_comes(make_broker: MakeBroker, redis_client: "redis.Redis") -> None:
    """What died before `dead_ttl_ms` is dropped at the next burial."""
    broker = make_broker(dead_ttl_ms=60_000)
    names = broker.keys.queue("default")
    old = bury(broker, 2)
    for message_id in old:
        redis_client.zincrby(names.dlq, -61_000, message_id)

    new = bury(broker, 1)

    assert kept(redis_client, names) == [set(new)] * 3
