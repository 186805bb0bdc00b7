"""The mutations of chains: a worker that goes on under the entry of an earlier step."""

from .table_dispatch import AGAIN, TESTS, lua

CHAINS = f"{TESTS}/test_handover.py"

HANDOVER = (
    lua(
        "chain: its entry leads nowhere",
        "start",
        "s = handed_over(t, s)\n",
        "",
        f"{CHAINS}::test_the_entry_of_a_dead_worker_leads_to_the_step_it_was_at",
    ),
    lua(
        "chain: any entry leads to a step that was handed over",
        "_hand",
        "      if child.entry == entry then\n",
        "      if child.entry ~= '' then\n",
        f"{CHAINS}::test_a_join_belongs_to_the_entry_of_the_last_branch_only",
    ),
    lua(
        "chain: a step that is sent still belongs to the old entry",
        "_send",
        "s.dispatch + 1, due_ms, 0, ''\n",
        "s.dispatch + 1, due_ms, 0, s.entry\n",
        f"{CHAINS}::test_an_entry_whose_chain_has_left_it_is_worth_nothing",
    ),
    lua(
        "chain: a worker that stops leaves its step to an entry that leads there no more",
        "release",
        "  if s.entry ~= '' then\n",
        "  if false then\n",
        f"{CHAINS}::test_a_worker_that_stops_puts_its_step_to_the_front",
    ),
    lua(
        "chain: urgent work is passed",
        "_hand",
        "    and (t.level == '0' or redis.call('XLEN', stream_of(child.queue, '0')) == 0)\n",
        "",
        f"{CHAINS}::test_nobody_with_a_better_right_is_passed[urgent_work]",
    ),
    lua(
        "chain: a paused queue is passed",
        "_hand",
        "    and redis.call('SISMEMBER', TAG .. ':paused', child.queue) == 0\n",
        "",
        f"{CHAINS}::test_nobody_with_a_better_right_is_passed[paused_queue]",
    ),
    lua(
        "chain: a paused provider is asked",
        "_hand",
        "    and redis.call('EXISTS', TAG .. ':provider:' .. child.provider) == 0\n",
        "",
        f"{CHAINS}::test_nobody_with_a_better_right_is_passed[paused_provider]",
    ),
    lua(
        "chain: a group's limit is passed",
        "_hand",
        " and not t.gate and ",
        " and ",
        f"{CHAINS}::test_such_a_step_goes_through_its_queue",
    ),
    lua(
        "chain: a step may outlast the lease of its entry",
        "_hand",
        " and tonumber(child.timeout) <= tonumber(s.timeout)\n",
        "\n",
        f"{CHAINS}::test_such_a_step_goes_through_its_queue",
    ),
    lua(
        "chain: a completion sent again does not go on",
        "complete",
        "      return run(t, child)\n",
        "      return {'ok'}\n",
        f"{AGAIN}::test_a_completion_sent_again_goes_on_with_the_same_attempt",
    ),
)
