"""
The mutations of what the broker promises first: no loss, no needless repetition, one owner.

Each is one replacement of a text that occurs exactly once in its file. A mutation whose text is gone fails the
run: then the table has to follow the code.
"""

from .mutation import CONTRACT, LEASES, SENDING, SETTLEMENT, SURVIVORS, TROUBLE, Mutation

TWO_STEP_MOVE = """\
            moved, next_ms = 0, -1
            for due, bodies, stream in zip(keys[3::6], keys[4::6], keys[1::6], strict=True):
                for member in self._client.zrange(due, 0, 10**15, byscore=True, offset=0, num=100):
                    body = self._client.hget(bodies, member)
                    self._client.zrem(due, member)
                    self._client.hdel(bodies, member)
                    self._client.xadd(stream, {"m": body})
"""

MUTATIONS = (
    Mutation(
        "ack before work",
        "app/broker/consumer.py",
        "        self._fetched.append(proxy)\n",
        "        self._fetched.append(proxy)\n"
        "        self._presence.flusher.add(Settled(self._held, entry, Verdict.ACK, epoch))\n"
        # Long enough for it to reach the server on a busy machine.
        "        self._presence.stopping.wait(1)\n",
        (f"{LEASES}::test_a_killed_workers_message_runs_elsewhere",),
    ),
    Mutation(
        "no owner check",
        "app/broker/lua/_owner.lua",
        " or found[1][2] ~= consumer",
        "",
        (
            f"{LEASES}::test_a_frozen_worker_can_neither_steal_back_nor_settle",
            f"{LEASES}::test_an_acknowledgement_of_a_stolen_entry_is_refused",
        ),
    ),
    Mutation(
        "acknowledged in trust after a theft",
        "app/broker/lua/ack.lua",
        "trusted = stolen == ARGV[4] and",
        "trusted = true and",
        (f"{SURVIVORS}::test_a_worker_that_trusts_its_counter_hears_of_a_take_over",),
    ),
    Mutation(
        "a take-over is not counted",
        "app/broker/lua/sweep.lua",
        "redis.call('HINCRBY', KEYS[1], 'stolen', 1)",
        "local _ = 0",
        (f"{SURVIVORS}::test_a_worker_that_trusts_its_counter_hears_of_a_take_over",),
    ),
    Mutation(
        "sweep cursor not kept",
        "app/broker/lua/sweep.lua",
        "  redis.call('HSET', KEYS[1], level, cursor)\n",
        "",
        (f"{SURVIVORS}::test_a_sweep_goes_on_where_the_last_one_stopped",),
    ),
    Mutation(
        "no heartbeat",
        "app/broker/leases.py",
        "                self.beat()\n",
        "                pass\n",
        (f"{SURVIVORS}::test_a_worker_without_room_keeps_its_message_by_beats_alone",),
    ),
    Mutation(
        "renewed beyond the deadline",
        "app/broker/leases.py",
        "return deadline_s is None or now_s < deadline_s",
        "return True",
        (f"{LEASES}::test_a_hung_message_moves_on_after_its_deadline",),
    ),
    Mutation(
        "retry in two calls",
        "app/broker/emission.py",
        "        self._scope.outbox = outbox\n",
        "        self._scope.outbox = None\n",
        (f"{SETTLEMENT}::test_a_retry_is_written_by_the_same_call_as_the_acknowledgement",),
    ),
    Mutation(
        "followers written without the entry being ours",
        "app/broker/lua/settle.lua",
        "if not owns(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then",
        "if false then",
        (f"{SURVIVORS}::test_a_worker_that_lost_its_entry_writes_nothing_that_follows",),
    ),
    Mutation(
        "a settlement sent twice acts twice",
        "app/broker/lua/settle.lua",
        "if not owns(KEYS[1], ARGV[1], ARGV[2], ARGV[3]) then",
        "if false then",
        (f"{SURVIVORS}::test_a_settlement_sent_twice_has_one_effect",),
        (
            (
                "if redis.call('XACK', KEYS[1], ARGV[1], ARGV[3]) ~= 1 then",
                "if redis.call('XACK', KEYS[1], ARGV[1], ARGV[3]) > 1 then",
            ),
        ),
    ),
    Mutation(
        "an interrupted hook counts as done",
        "app/broker/emission.py",
        "proxy.message_id, interrupt)\n            clean = False",
        "proxy.message_id, interrupt)\n            clean = True",
        (f"{SETTLEMENT}::test_an_interrupt_in_a_hook_leaves_message_and_thread_alone",),
    ),
    Mutation(
        "a failed hook counts as done",
        "app/broker/emission.py",
        "                clean = False\n",
        "                clean = True\n",
        (f"{SETTLEMENT}::test_a_message_whose_hook_fails_stays_undecided",),
    ),
    Mutation(
        "group created at the end",
        "app/broker/lua/group.lua",
        "ARGV[1], '0', 'MKSTREAM'",
        "ARGV[1], '$', 'MKSTREAM'",
        (f"{CONTRACT}::test_messages_wait_for_the_first_worker",),
    ),
    Mutation(
        "flush leaves the group at the end",
        "app/broker/lua/flush.lua",
        "group, '0', 'MKSTREAM'",
        "group, '9999999999999', 'MKSTREAM'",
        (f"{CONTRACT}::test_flush_drops_everything_under_a_running_worker", CONTRACT),
    ),
    Mutation(
        "delivery counted on release",
        "app/broker/lua/release.lua",
        "math.max(0, deliveries - 1)",
        "deliveries",
        (f"{SETTLEMENT}::test_a_released_message_is_handed_back_uncounted",),
    ),
    Mutation(
        "a released entry waits for the lease",
        "app/broker/lua/release.lua",
        "'TIME', 1, ",
        "",
        (f"{SETTLEMENT}::test_a_released_message_is_handed_back_uncounted", SETTLEMENT),
    ),
    Mutation(
        "nothing is handed back at shutdown",
        "app/broker/consumer.py",
        "        for message in messages:\n            self._release(message)\n",
        "        return\n",
        (f"{SETTLEMENT}::test_requeued_messages_keep_their_place", CONTRACT),
    ),
    Mutation(
        "a closed consumer keeps what it fetched",
        "app/broker/consumer.py",
        "            self._release(self._fetched.popleft())\n",
        "            self._fetched.popleft()\n",
        (f"{SETTLEMENT}::test_closing_a_consumer_gives_back_what_it_kept",),
    ),
    Mutation(
        "producer sequence not checked",
        "app/broker/lua/enqueue.lua",
        "if last and tonumber(last) >= tonumber(sequence) then",
        "if false then",
        (f"{SENDING}::test_no_broken_connection_loses_or_doubles_a_message",),
    ),
    Mutation(
        "an old call that comes late is taken for new",
        "app/broker/lua/enqueue.lua",
        "if last and tonumber(last) >= tonumber(sequence) then",
        "if last == sequence then",
        (f"{SURVIVORS}::test_an_old_call_that_comes_late_adds_nothing",),
    ),
    Mutation(
        "a repeated short call is taken for new",
        "app/broker/lua/send.lua",
        "if count > sequence then",
        "if false then",
        (f"{SENDING}::test_no_broken_connection_loses_or_doubles_one_of_many_single_sends",),
    ),
    Mutation(
        "a forgotten sender counts from one",
        "app/broker/lua/send.lua",
        "elseif count < sequence then",
        "elseif false then",
        (f"{SENDING}::test_a_sender_whom_the_server_forgot_is_still_exact",),
    ),
    Mutation(
        "a lost fetch is not looked for",
        "app/broker/reading.py",
        "for entry_id in strays:",
        "for entry_id in ():",
        (f"{SENDING}::test_no_broken_connection_loses_a_message_on_its_way_out",),
    ),
    Mutation(
        "allow-oom missing",
        "app/broker/lua/ack.lua",
        "#!lua flags=allow-oom",
        "#!lua",
        (f"{TROUBLE}::test_a_full_redis_refuses_new_work_and_drains",),
    ),
    Mutation(
        "new work accepted when memory is short",
        "app/broker/lua/enqueue.lua",
        "#!lua\n",
        "#!lua flags=allow-oom\n",
        (f"{TROUBLE}::test_a_full_redis_refuses_new_work_and_drains",),
    ),
    Mutation(
        "single messages accepted when memory is short",
        "app/broker/lua/send.lua",
        "#!lua\n",
        "#!lua flags=allow-oom\n",
        (f"{TROUBLE}::test_a_full_redis_refuses_new_work_and_drains",),
    ),
    Mutation(
        "due mover not atomic",
        "app/broker/delays.py",
        "            moved, next_ms = run_script(self._client, DUE, keys, args)\n",
        TWO_STEP_MOVE,
        (f"{SURVIVORS}::test_a_move_that_is_broken_off_leaves_the_message_in_one_place",),
    ),
    Mutation(
        "movers are not woken",
        "app/broker/lua/_put.lua",
        "redis.pcall('SPUBLISH', wake, queue)",
        "local _ = wake",
        (f"{SURVIVORS}::test_a_sleeping_mover_hears_of_an_earlier_message",),
    ),
    Mutation(
        "low priority starves",
        "app/broker/reading.py",
        "*[_HIGH_FIRST] * 7, _LOW_FIRST",
        "*[_HIGH_FIRST] * 7, _HIGH_FIRST",
        (f"{SENDING}::test_a_flood_of_high_ones_does_not_starve_low_ones",),
    ),
    Mutation(
        "a consumer with pending entries is deleted",
        "app/broker/lua/tidy.lua",
        "consumer.pending == 0 and ",
        "",
        (f"{LEASES}::test_only_empty_dead_consumers_are_deleted",),
    ),
    Mutation(
        "connections shared over a fork",
        "app/broker/broker.py",
        "        pid = os.getpid()\n",
        "        pid = 0\n",
        (f"{SENDING}::test_a_broker_that_came_over_a_fork_shares_no_connection",),
    ),
)
