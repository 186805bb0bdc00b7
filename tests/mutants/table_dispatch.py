"""The mutations of dispatch: its transitions, each of which promises to happen once, wholly, and in order."""

from .mutation import Mutation

TESTS = "tests/integration/dispatch"
LUA = "app/dispatch/lua"
TRANSITIONS = f"{TESTS}/test_transitions.py"
AGAIN = f"{TESTS}/test_sent_again.py"
GROWTH = f"{TESTS}/test_growth.py"
GROUPS = f"{TESTS}/test_concurrency.py"
CANCEL = f"{TESTS}/test_cancel.py"
RETRY = f"{TESTS}/test_retry.py"
PAUSE = f"{TESTS}/test_pause.py"
TOTALS = f"{TESTS}/test_totals.py"

FENCE = "if not s or s.state ~= 'running' or token(s) ~= ARGV[7] then"
NO_FENCE = "if not s or s.state ~= 'running' then"
END_OF_FAILURE = """\
      drop_all(t, because('step ' .. s.id .. ' failed', s.id))
      finish(t, 'failed', '"error":' .. error .. ',"failed_step":' .. s.id)
"""
FAILURE_ENDED_FIRST = "".join(reversed(END_OF_FAILURE.splitlines(keepends=True)))


def lua(name: str, script: str, old: str, new: str, test: str) -> Mutation:
    """One replacement in one script, and the one test that must notice."""
    return Mutation(name, f"{LUA}/{script}.lua", old, new, (test,))


DISPATCH = (
    lua(
        "dispatch: no token check",
        "complete",
        FENCE,
        NO_FENCE,
        f"{TRANSITIONS}::test_an_outdated_attempt_can_write_nothing",
    ),
    lua(
        "dispatch: memo not fenced",
        "memo",
        FENCE,
        NO_FENCE,
        f"{TESTS}/test_once.py::test_a_superseded_attempt_cannot_remember",
    ),
    lua(
        "dispatch: next steps by a second call",
        "complete",
        "settle(t, s, 'completed')\n",
        "settle(t, s, 'completed')\ncommit()\nif true then return {'ok'} end\n",
        f"{TRANSITIONS}::test_the_whole_line_runs_to_completion",
    ),
    lua(
        "dispatch: event by a second call",
        "_task",
        "    redis.call('XADD', t.log, id, 'e', body)\n",
        "    if i < count then redis.call('XADD', t.log, id, 'e', body) end\n",
        f"{TRANSITIONS}::test_a_submitted_task_is_stored_logged_and_sent",
    ),
    lua(
        "dispatch: stale dispatch number accepted",
        "start",
        "if s.dispatch ~= ARGV[7] then",
        "if false then",
        f"{TRANSITIONS}::test_a_failure_schedules_another_attempt",
    ),
    lua(
        "dispatch: attempt not counted",
        "start",
        "s.attempt, s.delivery = s.attempt + 1,",
        "s.attempt, s.delivery = s.attempt,",
        f"{TRANSITIONS}::test_a_step_started_elsewhere_counts_as_a_crash",
    ),
    lua(
        "dispatch: failure not counted",
        "fail",
        "s.failures = s.failures + 1\n",
        "",
        f"{TRANSITIONS}::test_failing_twice_with_one_token_counts_once",
    ),
    lua(
        "dispatch: crash not counted",
        "_flow",
        "  s.crashes = s.crashes + 1\n",
        "",
        f"{TRANSITIONS}::test_a_step_that_kills_its_workers_fails",
    ),
    lua(
        "dispatch: report number not checked",
        "progress",
        "if tonumber(ARGV[8]) <= tonumber(s.reports) then",
        "if false then",
        f"{TRANSITIONS}::test_reports_are_written_once_and_bounded",
    ),
    lua(
        "dispatch: tokens of an earlier report forgotten",
        "_flow",
        "string.format('%.0f', (v[1] or 0) + input + output)",
        "string.format('%.0f', input + output)",
        f"{TRANSITIONS}::test_what_models_took_is_added_up_once",
    ),
    lua(
        "dispatch: children not resolved",
        "_flow",
        "    child.open = child.open - 1\n",
        "",
        f"{TRANSITIONS}::test_the_whole_line_runs_to_completion",
    ),
    lua(
        "dispatch: finish not last",
        "_flow",
        END_OF_FAILURE,
        FAILURE_ENDED_FIRST,
        f"{TRANSITIONS}::test_the_last_failure_ends_the_task_and_all_its_steps",
    ),
    lua(
        "dispatch: last steps not counted",
        "complete",
        "  set(t, 'sinks', t.sinks + 1)\n",
        "",
        f"{TRANSITIONS}::test_the_whole_line_runs_to_completion",
    ),
    lua(
        "dispatch: a skip goes one step deep",
        "_flow",
        "        front[#front + 1] = child\n",
        "",
        f"{TESTS}/test_failure_policies.py::test_one_last_step_of_two_makes_a_partial_success",
    ),
    lua(
        "dispatch: the first failure is the task's error",
        "_flow",
        "  if ends or not (t.error",
        "  if not (t.error",
        f"{TESTS}/test_failure_policies.py::test_the_failure_that_ends_a_task_is_its_error",
    ),
    lua(
        "dispatch: key of the wrong type not noticed",
        "_send",
        "  redis.call('XLEN', stream)\n",
        "",
        f"{AGAIN}::test_a_key_of_the_wrong_type_stops_a_transition_before_it_writes",
    ),
    lua(
        "dispatch: of a large act each kind of event is counted once",
        "_task",
        "    counts[field] = (counts[field] or 0) + 1\n",
        "    counts[field] = 1\n",
        f"{TOTALS}::test_every_event_is_counted_by_its_type_and_agent",
    ),
    lua(
        "dispatch: refused writes are not counted",
        "_task",
        "  tally('fenced', 1, TOTALS_MAX)\n",
        "",
        f"{TOTALS}::test_each_refused_write_is_counted",
    ),
    lua(
        "dispatch: counters without a bound",
        "_task",
        " or redis.call('HLEN', key) <= fields_max\n",
        " or true\n",
        f"{TOTALS}::test_counters_are_bounded",
    ),
)
