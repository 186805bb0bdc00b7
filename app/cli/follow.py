"""`stepstream run`: a task from submission to report, on a terminal or for a program."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown

from app.cli.board import Board
from app.cli.terminal import json_line, plain
from app.client import ApiError, ApiUnreachable, Client, StreamBroken
from app.model.events import Event
from app.model.task import Document

DONE, FAILED, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130
REFRESHES_PER_S = 8


@dataclass(frozen=True, slots=True)
class Request:
    """What to run; `plan` is raw JSON or nothing."""

    task: str
    plan: object | None = None
    documents: tuple[Document, ...] = ()
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The exit code, and the task if there is one."""

    code: int
    task_id: str | None = None


class Runner:
    """Submits, follows and shows one task; results go to `out`, everything else to `err`."""

    def __init__(self, client: Client, out: Console, err: Console) -> None:
        self._client = client
        self._out = out
        self._err = err

    def run(self, request: Request) -> Outcome:
        """Never raises for what can go wrong with the task, the API or the person at the keyboard."""
        task_id: str | None = None
        try:
            task_id = self._client.submit(request.task, plan=request.plan, documents=request.documents).task_id
            self._err.print(f"task {plain(task_id)}")
            completed = self._follow(task_id, request)
            self._deliver(task_id, request, completed=completed)
            return Outcome(DONE if completed else FAILED, task_id)
        except ApiError as error:
            self._complain(error.lines)
            return Outcome(USAGE if task_id is None and 400 <= error.status < 429 else UNREACHABLE, task_id)
        except (ApiUnreachable, StreamBroken) as error:
            self._complain([str(error)])
            return Outcome(UNREACHABLE, task_id)
        except KeyboardInterrupt:
            return Outcome(INTERRUPTED, task_id)

    def _follow(self, task_id: str, request: Request) -> bool:
        board = Board()
        with self._shown(board, request) as show:
            for event in self._client.follow(task_id):
                line = board.apply(event)
                show(event, line)
        return board.completed

    @contextmanager
    def _shown(self, board: Board, request: Request) -> Iterator[Callable[[Event, str | None], None]]:
        if request.as_json:
            yield lambda event, _: self._out.out(json_line(event.model_dump(exclude_unset=True)), highlight=False)
        elif self._err.is_terminal:
            with Live(console=self._err, get_renderable=board.table, refresh_per_second=REFRESHES_PER_S):
                yield lambda *_: None
        else:
            yield lambda _, line: self._err.out(line, highlight=False) if line else None

    def _deliver(self, task_id: str, request: Request, *, completed: bool) -> None:
        if request.as_json:
            found = self._client.result(task_id) if completed else self._client.task(task_id)
            self._out.out(json_line(found), highlight=False)
        elif completed:
            self._print_report(plain(self._client.markdown(task_id)))

    def _print_report(self, report: str) -> None:
        if self._out.is_terminal:
            self._out.print(Markdown(report, hyperlinks=False))
        else:
            self._out.out(report, highlight=False)

    def _complain(self, lines: list[str]) -> None:
        for line in lines:
            self._err.out(plain(line), style="red" if self._err.is_terminal else None, highlight=False)
