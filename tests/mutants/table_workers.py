"""The mutations of how workers end, of what they leave behind, and of one act upon many tasks."""

from .mutation import Mutation, line
from .table_dispatch import TESTS, TRANSITIONS, lua

BULK = "tests/integration/api/test_bulk.py"
CELLS = "tests/unit/test_worker_metrics.py"
KILLED = f"{CELLS}::test_what_a_killed_process_has_counted_stays_and_what_it_was_does_not"

WORKERS: tuple[Mutation, ...] = (
    line(
        "workers: one task that cannot be acted on stops a bulk act",
        "dispatch/bulk.py",
        "except (NotPossible, TaskNotFound) as error:",
        "except TaskNotFound as error:",
        f"{BULK}::test_a_task_that_does_not_allow_it_says_why_and_stops_nobody",
    ),
    line(
        "workers: a bulk act begun anew meets what is done",
        "dispatch/bulk.py",
        "await self._tasks.page(tenant, wanted, cursor=cursor",
        "await self._tasks.page(tenant, TaskFilter(None, wanted.labels, wanted.words), cursor=cursor",
        f"{BULK}::test_all_that_failed_run_again_and_nothing_else",
    ),
    line(
        "workers: a bulk act of all tasks",
        "api/bulk.py",
        "self.status or allowed[0]",
        "self.status",
        f"{BULK}::test_open_tasks_are_cancelled_and_ended_ones_deleted",
    ),
    line(
        "workers: a bulk act whose answer was lost is not sent again",
        "client/list_calls.py",
        "body=body | given(cursor=cursor), repeatable=True",
        "body=body | given(cursor=cursor), repeatable=False",
        "tests/unit/test_client_steering.py::test_a_bulk_act_goes_on_where_it_was_broken_off",
    ),
    lua(
        "workers: a step that is handed back has failed",
        "release",
        "    s.state, s.queued = 'queued', NOW\n",
        "    s.state, s.queued, s.failures = 'queued', NOW, s.failures + 1\n",
        f"{TRANSITIONS}::test_a_released_step_starts_again_without_a_failure",
    ),
    lua(
        "workers: a step that is handed back counts as its worker's death",
        "release",
        "    s.state, s.queued = 'queued', NOW\n",
        "    s.queued = NOW\n",
        f"{TRANSITIONS}::test_a_released_step_starts_again_without_a_failure",
    ),
    line(
        "workers: a worker that stops begins a batch",
        "dispatch/runner.py",
        "        if self._draining:\n",
        "        if False:\n",
        f"{TESTS}/test_runner.py::test_draining_hands_running_steps_back",
    ),
    line(
        "workers: a worker that stops goes on with the next step",
        "dispatch/runner.py",
        "return () if self._draining or time",
        "return () if time",
        f"{TESTS}/test_handover.py::test_a_slow_worker_and_one_that_stops_do_not_go_on",
    ),
    line(
        "workers: the second request to end kills",
        "dispatch/leaving.py",
        "if self._heard == 2:",
        "if False:",
        "tests/unit/test_leaving.py::test_each_of_three_requests_has_its_own_meaning_however_often_it_is_told",
    ),
    line(
        "workers: what an agent holds on to is left to its lease",
        "dispatch/portal.py",
        "        anyio.run(self._release, broker.worker_id, running)\n",
        "",
        "tests/full/test_drain.py::test_agents_that_cannot_be_stopped_keep_no_worker",
    ),
    line(
        "workers: the gauges of the dead stay",
        "metrics/worker_scrape.py",
        "if alive or series[0] not in GAUGES:",
        "if True:",
        KILLED,
    ),
    line(
        "workers: the counts of the dead go",
        "metrics/worker_scrape.py",
        "if alive or series[0] not in GAUGES:",
        "if alive:",
        KILLED,
    ),
    line(
        "workers: the file of a process is not locked",
        "metrics/cells.py",
        "        fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        KILLED,
    ),
    line(
        "workers: counts stay in the process until it ends",
        "metrics/cells.py",
        "        self._map = mmap.mmap(self._file.fileno(), 0)\n        self._cells",
        "        self._map = mmap.mmap(self._file.fileno(), 0, flags=mmap.MAP_PRIVATE)\n        self._cells",
        KILLED,
    ),
    line(
        "workers: the folder of a living run is swept",
        "metrics/run_folder.py",
        "            if _taken(lock):\n",
        "            if lock:\n",
        f"{CELLS}::test_only_folders_of_the_dead_are_swept",
    ),
    line(
        "workers: a folder that others can read is used",
        "metrics/run_folder.py",
        " or found.st_mode & 0o077:",
        ":",
        f"{CELLS}::test_a_folder_that_others_can_open_is_not_used",
    ),
)
