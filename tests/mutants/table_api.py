"""The mutations of the HTTP edge: answers that wait, pages, operations, bounds on the wire, the document."""

from .mutation import FOLDER, Mutation
from .table_dispatch import RETRY, lua

API = "tests/integration/api"
ANSWERS = f"{API}/test_answers.py"
FLEET = f"{API}/test_fleet.py"
WIRE = f"{API}/test_wire.py"
OPERATIONS = f"{FOLDER}/test_broker_operations.py"

HTTP = (
    Mutation(
        "api: a wait outlives its client",
        "app/events/waiters.py",
        "        await given_up()\n        viewer.stop()\n",
        "        await given_up()\n",
        (f"{ANSWERS}::test_a_client_that_hangs_up_waits_no_more",),
    ),
    Mutation(
        "api: any number of requests wait",
        "app/events/waiters.py",
        "if self._count >= self._waiters_max:",
        "if False:",
        (f"{ANSWERS}::test_there_is_room_for_so_many_who_wait",),
    ),
    Mutation(
        "api: raw HTML is obeyed",
        "app/page.py",
        '{"html": False}',
        '{"html": True}',
        ("tests/unit/test_page.py",),
        also=(
            (
                "    return nh3.clean(\n        _renderer().render(markdown),",
                "    return (lambda html, **_: html)(\n        _renderer().render(markdown),",
            ),
        ),
    ),
    Mutation(
        "api: the quality of a media type is not weighed",
        "app/api/accept.py",
        "float(quality) if QUALITY.fullmatch(quality) else 0.0",
        "1.0",
        ("tests/unit/test_api_parts.py::test_an_accept_header_is_weighed",),
    ),
    Mutation(
        "api: a failed step's letter goes back into its queue",
        "app/dispatch/fleet.py",
        "        if step is not None:\n",
        "        if False:\n",
        (f"{FLEET}::test_the_letter_of_a_failed_step_retries_its_task",),
    ),
    Mutation(
        "api: any name is a queue",
        "app/dispatch/fleet.py",
        "            raise QueueNotFound(name)\n",
        "            return\n",
        (f"{FLEET}::test_a_queue_that_nobody_has_is_not_paused",),
    ),
    lua(
        "dispatch: a retried step stays a dead letter",
        "retry",
        "      exhume(t, s)\n",
        "",
        f"{RETRY}::test_a_step_that_runs_again_is_no_dead_letter",
    ),
    lua(
        "dispatch: any failure of the step is retried",
        "retry",
        "t.step[from].dispatch ~= ARGV[10]",
        "false",
        f"{RETRY}::test_only_the_failure_that_was_meant_is_retried",
    ),
    Mutation(
        "letters of one time are passed over",
        "app/broker/lua/letters.lua",
        "(below(other, member) and 0 or 1)",
        "1",
        (f"{OPERATIONS}::test_letters_of_all_queues_are_one_list",),
    ),
    Mutation(
        "a report is not told when it has changed back",
        "app/broker/leases.py",
        "if in_flight or due or report != self._reported:",
        "if in_flight or due:",
        (f"{OPERATIONS}::test_a_worker_reports_itself_and_what_its_program_adds",),
    ),
    Mutation(
        "api: a body takes as long as it likes",
        "app/api/json_body.py",
        "async with _time_to_arrive(settings.body_s_max, services.draining):",
        "async with _time_to_arrive(600, services.draining):",
        (f"{WIRE}::test_a_body_has_its_time",),
    ),
    Mutation(
        "wire: a head has no end",
        "app/wire.py",
        "if self._unused > HEAD_BYTES_MAX and not self._is_deaf:",
        "if False:",
        (f"{WIRE}::test_a_head_has_its_size",),
    ),
    Mutation(
        "wire: nobody looks at the clock",
        "app/wire.py",
        "        self._timer = self.loop.call_later(seconds, then)\n",
        "        self._timer = self.loop.call_later(seconds * 1000, then)\n",
        (f"{WIRE}::test_a_head_has_its_time",),
    ),
    Mutation(
        "api: a HEAD opens a stream",
        "app/api/methods.py",
        '        return {"type": "http.disconnect"}\n',
        "        await anyio.sleep_forever()\n        raise AssertionError\n",
        (f"{API}/test_methods.py::test_a_head_is_that_of_a_get",),
    ),
    Mutation(
        "api: Allow names one route's methods",
        "app/api/methods.py",
        "set().union(*(methods for pattern, methods in self._known if pattern.match(path)))",
        "next((set(methods) for pattern, methods in self._known if pattern.match(path)), set())",
        (f"{API}/test_methods.py::test_a_method_that_a_path_does_not_have_is_told_those_it_has",),
    ),
    Mutation(
        "api: an answer that the document does not know",
        "app/api/tasks.py",
        "**documented(400, 410, 413, 415, 422, 503)}",
        "**documented(400, 410, 413, 415, 503)}",
        ("tests/unit/test_openapi.py::test_the_page_and_the_document_name_the_same_routes_and_statuses",),
    ),
)
