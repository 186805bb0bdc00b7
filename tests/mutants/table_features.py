"""The mutations of what surrounds that: poison, limits, layouts, pauses, threads."""

from .mutation import FOLDER, IDLING, SENDING, Mutation

FEATURES = (
    Mutation(
        "a deadly message is never buried",
        "app/broker/consumer.py",
        "if counted and proxy.crashes >= self._presence.limits.crashes_max:",
        "if False:",
        (f"{FOLDER}/test_broker_poison.py::test_signals_tell_of_a_burial",),
    ),
    Mutation(
        "suspects run together",
        "app/broker/consumer.py",
        "if counted and proxy.is_suspect and",
        "if False and",
        (f"{FOLDER}/test_broker_poison.py::test_suspects_run_one_at_a_time_and_hold_nobody_up",),
    ),
    Mutation(
        "a finished run leaves its mark",
        "app/broker/lua/settle.lua",
        "redis.call('HDEL', KEYS[5], ARGV[4])\n",
        "",
        (f"{FOLDER}/test_broker_poison.py::test_a_redelivered_message_that_finishes_leaves_no_mark",),
    ),
    Mutation(
        "the backlog is not looked at",
        "app/broker/lua/_put.lua",
        "if backlog_max and held",
        "if false and held",
        (f"{FOLDER}/test_broker_limits.py::test_a_full_queue_refuses_and_says_so",),
    ),
    Mutation(
        "a retry is refused by a full queue",
        "app/broker/lua/settle.lua",
        "first_message, nil)",
        "first_message, 1)",
        (f"{FOLDER}/test_broker_limits.py::test_a_retry_enters_a_full_queue",),
    ),
    Mutation(
        "entries of other queues are run",
        "app/broker/lua/_layout.lua",
        "return fields[i + 1] ~= queue",
        "return false",
        (f"{FOLDER}/test_broker_single.py::test_each_worker_runs_its_own_queues_and_empties_the_stream",),
    ),
    Mutation(
        "a pause is not heeded",
        "app/broker/pauses.py",
        "return queue in self._paused",
        "return False",
        (f"{FOLDER}/test_broker_admin.py::test_a_paused_queue_rests_while_others_run",),
    ),
    Mutation(
        "a dead worker thread is not replaced",
        "app/broker/watchdog.py",
        "not thread.is_alive() and thread.running",
        "False",
        (f"{FOLDER}/test_broker_threads.py::test_a_worker_thread_that_died_is_replaced",),
    ),
    Mutation(
        "the limit is looked at once",
        "app/broker/sending.py",
        "min(LOOK_EVERY, room // SHARES)",
        "LOOK_EVERY * room",
        (f"{SENDING}::test_a_sender_that_goes_the_short_way_still_meets_the_limit",),
    ),
    Mutation(
        "the next look is a lease away, whatever is pending",
        "app/broker/lua/sweep.lua",
        "math.min(reply[2], lease - silent)",
        "reply[2]",
        (f"{IDLING}::test_a_look_names_the_moment_when_something_can_have_lapsed",),
    ),
    Mutation(
        "every look is followed by the next at once",
        "app/broker/lua/sweep.lua",
        "left >= 0 and math.min(longest, left) or longest",
        "0",
        (f"{IDLING}::test_an_appointment_holds_for_the_whole_fleet",),
    ),
    Mutation(
        "a release calls nobody",
        "app/broker/lua/release.lua",
        "  redis.pcall('SPUBLISH', ARGV[4], 'release:' .. ARGV[1])\n",
        "",
        (f"{IDLING}::test_a_released_entry_is_taken_at_once_by_a_worker_at_rest",),
    ),
    Mutation(
        "what was said before one listens is not made up for",
        "app/broker/delays.py",
        "                    self._missed()\n",
        "                    pass\n",
        (f"{IDLING}::test_a_call_that_nobody_heard_is_made_up_for",),
    ),
    Mutation(
        "a mover that hears nothing does not ask why",
        "app/broker/ear.py",
        "            self._line.ping()\n",
        "            pass\n",
        ("tests/faults/test_broker_half_open.py::test_a_mover_that_hears_nothing_any_more_listens_anew",),
    ),
    Mutation(
        "a mover does not wait for its subscription",
        "app/broker/ear.py",
        """        while self._next(connections.SOCKET_TIMEOUT_S) is None:
            pass
""",
        """        self._asked_s = None
        self._heard_s = time.monotonic() + 60
""",
        ("tests/faults/test_broker_half_open.py::test_a_swallowed_reply_is_got_over",),
    ),
    Mutation(
        "a call that comes before the wait is slept over",
        "app/broker/reading.py",
        "return max(1, min(block_ms, until_look_ms))",
        "return block_ms",
        (f"{IDLING}::test_an_idle_reader_waits_no_longer_than_until_its_next_look",),
    ),
)
