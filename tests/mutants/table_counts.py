"""The mutations of what is counted: events, tasks by their states, and what the queues held."""

from .mutation import Mutation, line
from .table_dispatch import AGAIN, TESTS, TOTALS, TRANSITIONS, lua

LISTS = f"{TESTS}/test_lists.py"
SYSTEM = "tests/integration/api/test_system.py"

COUNTS: tuple[Mutation, ...] = (
    lua(
        "counts: an event is counted before it is written",
        "_task",
        "  for _, t in ipairs(opened) do\n    save(t)\n  end\n  tally_events()\n",
        "  tally_events()\n  for _, t in ipairs(opened) do\n    save(t)\n  end\n",
        f"{AGAIN}::test_a_key_of_the_wrong_type_stops_a_transition_before_it_writes",
    ),
    lua(
        "counts: an act is not counted",
        "_task",
        "  tally_events()\n",
        "",
        f"{TOTALS}::test_every_event_is_counted_by_its_type_and_agent",
    ),
    lua(
        "counts: damaged counters stop an act",
        "_task",
        "  local reply = redis.pcall(command, key, ...)\n",
        "  local reply = redis.call(command, key, ...)\n",
        f"{TOTALS}::test_damaged_counters_stop_nothing",
    ),
    lua(
        "counts: stale deliveries are not counted",
        "start",
        "  tally('stale', 1, TOTALS_MAX)\n",
        "",
        f"{TOTALS}::test_each_stale_delivery_is_counted",
    ),
    line(
        "counts: of what was counted together the first is read",
        "dispatch/counters.py",
        "for kind, agent in zip(parts[::2], parts[1::2], strict=False):",
        "for kind, agent in [(parts[0], parts[1])]:",
        f"{TOTALS}::test_every_event_is_counted_by_its_type_and_agent",
    ),
    lua(
        "counts: what models took is not added up",
        "_flow",
        "    later('HINCRBY', TAG .. ':llm', name, amount)\n",
        "",
        f"{TRANSITIONS}::test_what_models_took_is_added_up_once",
    ),
    lua(
        "counts: a task without a state is passed over and stays listed",
        "sift",
        "if state == '' or string.find",
        "if string.find",
        f"{LISTS}::test_pages_of_a_state_take_off_what_is_gone",
    ),
    lua(
        "counts: more are looked at than are named",
        "sift",
        "    if #found >= most then\n      break\n    end\n",
        "    if #found > most then\n      found[#found] = nil\n    end\n",
        f"{LISTS}::test_words_are_found_behind_many_tasks_of_the_same_state",
    ),
    line(
        "counts: the last of one look is counted in the next again",
        "dispatch/counting.py",
        'start = f"({part.last}"',
        'start = f"[{part.last}"',
        f"{LISTS}::test_more_tasks_than_one_look_takes_are_counted_one_by_one",
    ),
    line(
        "counts: a count that was cut short is said to be whole",
        "dispatch/counting.py",
        "return _Counted(states, looked_at, complete=False)",
        "return _Counted(states, looked_at, complete=True)",
        f"{LISTS}::test_beyond_the_most_that_are_counted_that_is_said",
    ),
    line(
        "counts: looks follow each other without a pause",
        "dispatch/counting.py",
        "            await asyncio.sleep(PAUSE_SHARE * (self._now_s() - self._began_s))\n",
        "            await asyncio.sleep(0)\n",
        f"{LISTS}::test_a_count_that_goes_on_for_long_keeps_nobody_waiting",
    ),
    line(
        "counts: each process samples the queues",
        "dispatch/history.py",
        ", 1, nx=True, px=LOCK_MS)",
        ", 1, px=LOCK_MS)",
        f"{SYSTEM}::test_one_process_samples_for_all",
    ),
    line(
        "counts: the history has no end",
        "dispatch/history.py",
        "maxlen=SAMPLES_MAX, approximate=False",
        "maxlen=None",
        f"{SYSTEM}::test_one_process_samples_for_all",
    ),
    line(
        "counts: counters that began anew make a rate below zero",
        "dispatch/history.py",
        "sample.ended < before[1] or ",
        "",
        f"{SYSTEM}::test_throughput_is_the_difference_of_the_counters",
    ),
    line(
        "counts: a sample reads all that happened",
        "dispatch/history.py",
        "Spot(begin_ms), NOTICES_PER_MOMENT)",
        "Spot(begin_ms), 10_000)",
        f"{SYSTEM}::test_a_sample_reads_a_bounded_part_of_what_happened",
    ),
    line(
        "counts: the whole history is read each time",
        "dispatch/history.py",
        'min=after_ms or "-"',
        'min="-"',
        f"{SYSTEM}::test_what_was_told_before_is_not_read_again",
    ),
)
