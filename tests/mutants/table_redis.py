"""The mutations of what lies between the program and Redis: replicas, Sentinels, users and their rights."""

from .mutation import Mutation, line
from .table_dispatch import lua

REPLICAS = "tests/integration/test_replicas.py"
URLS = "tests/unit/test_redis_urls.py"
USERS = "tests/deploy/test_redis_users.py"
CHANNELS = "tests/deploy/test_redis_channels.py"
SUBMISSION = "tests/integration/api/test_submission.py"

REDIS = (
    line(
        "redis: too few replicas are enough",
        "dispatch/replicas.py",
        "if confirmed < self._confirmed_min:",
        "if confirmed < 0:",
        f"{REPLICAS}::test_a_replica_that_stands_still_confirms_nothing",
    ),
    line(
        "redis: a connection that wrote nothing is waited for",
        "dispatch/replicas.py",
        "pipeline.set(self._keys.ready, 1, px=MARK_TTL_MS)",
        "pipeline.ping()",
        f"{REPLICAS}::test_a_replica_that_stands_still_confirms_nothing",
    ),
    line(
        "redis: a submission is answered before replicas have it",
        "dispatch/dispatcher.py",
        "        await self._confirmed()\n        if task_id == task.task_id:\n",
        "        if task_id == task.task_id:\n",
        f"{SUBMISSION}::test_without_enough_replicas_nobody_is_told_that_it_is_safe",
    ),
    line(
        "redis: who was led to a replica stays there",
        "redis_shared.py",
        "        except exceptions.ReadOnlyError:\n",
        "        except ZeroDivisionError:\n",
        f"{REPLICAS}::test_who_is_led_to_a_replica_looks_for_the_primary_anew",
    ),
    line(
        "redis: Sentinels get the password of the master",
        "redis_urls.py",
        'key in ("ssl", "retry")',
        'key in ("ssl", "retry", "username", "password")',
        f"{URLS}::test_a_url_is_read",
    ),
    line(
        "redis: Sentinels are asked again and again",
        "redis_urls.py",
        'key in ("ssl", "retry")',
        'key in ("ssl",)',
        f"{URLS}::test_connections_have_limits_and_never_send_again",
    ),
    line(
        "redis: Sentinels are asked in plain text",
        "redis_urls.py",
        '        merged["ssl"] = True\n',
        "        pass\n",
        f"{URLS}::test_connections_have_limits_and_never_send_again",
    ),
    lua(
        "redis: a push that is not allowed stops a transition",
        "_task",
        "redis.pcall('SPUBLISH', t.log",
        "redis.call('SPUBLISH', t.log",
        f"{CHANNELS}::test_transitions_are_whole",
    ),
    line(
        "redis: a call that is not allowed leaves half of the messages unsent",
        "broker/lua/_put.lua",
        "redis.pcall('SPUBLISH', wake, queue)",
        "redis.call('SPUBLISH', wake, queue)",
        f"{CHANNELS}::test_messages_are_sent_whole",
    ),
    line(
        "redis: a command of the program is not asked for at the start",
        "preflight/needs.py",
        ', "WAIT 0 1",',
        ",",
        f"{USERS}::test_the_table_of_needs_knows_every_command_of_the_program",
    ),
    line(
        "redis: a command of a script is not asked for at the start",
        "preflight/needs.py",
        "zcard zrange zrem zscan zscore",
        "zcard zrange zrem zscore",
        f"{USERS}::test_the_table_of_needs_knows_every_command_of_the_scripts",
    ),
    Mutation(
        "redis: a user lacks what its processes need",
        "deploy/redis/users.acl",
        " +wait ",
        " ",
        (f"{USERS}::test_api_and_workers_may_do_all_that_they_do",),
    ),
)
