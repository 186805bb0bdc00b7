"""`stepstream run`: a task from submission to report, on a terminal or for a program."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown

from app.cli.board import Board
from app.cli.exits import Exit
from app.cli.telling import event_json
from app.cli.terminal import Clean, json_line, plain, say, show, tell
from app.client import ApiError, Client, ClientError
from app.model.events import Event
from app.model.output import OutputFormat
from app.model.plan import PlannerChoice
from app.model.task import Document

REFRESHES_PER_S = 8


@dataclass(frozen=True, slots=True)
class Request:
    """What to run, and what to show of it; `plan` is raw JSON or nothing."""

    task: str
    plan: object | None = None
    documents: tuple[Document, ...] = ()
    planner: PlannerChoice | None = None
    urls: tuple[str, ...] = ()
    web: bool = False
    output_format: OutputFormat = OutputFormat.MARKDOWN
    as_json: bool = False
    with_metrics: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The exit code, the task if there is one, and whether it was refused for an agent that the API does not know."""

    code: Exit
    task_id: str | None = None
    unknown_agent: bool = False


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
            task_id = self._client.submit(
                request.task,
                plan=request.plan,
                planner=request.planner,
                documents=request.documents,
                urls=request.urls,
                web=request.web,
                output_format=request.output_format,
            ).task_id
            tell(f"task {task_id}")
            completed = self._follow(task_id, request)
            self._deliver(task_id, request, completed=completed)
            return Outcome(Exit.DONE if completed else Exit.FAILED, task_id)
        except ApiError as error:
            tell("\n".join(error.lines))
            usage = task_id is None and 400 <= error.status < 429
            unknown_agent = any(line.partition(":")[0].endswith("/agent") for line in error.lines)
            return Outcome(Exit.USAGE if usage else Exit.UNREACHABLE, task_id, unknown_agent)
        except ClientError as error:
            tell(str(error))
            return Outcome(Exit.UNREACHABLE, task_id)
        except KeyboardInterrupt:
            return Outcome(Exit.INTERRUPTED, task_id)

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
            yield lambda event, _: say(event_json(event))
        elif self._err.is_terminal:
            drawn = Clean(board)
            with Live(console=self._err, get_renderable=lambda: drawn, refresh_per_second=REFRESHES_PER_S):
                yield lambda *_: None
        else:
            yield lambda _, line: tell(line) if line else None

    def _deliver(self, task_id: str, request: Request, *, completed: bool) -> None:
        if request.as_json:
            found = self._client.result(task_id) if completed else self._client.task(task_id)
            say(json_line(found))
        elif completed and request.output_format is OutputFormat.MARKDOWN:
            self._print_report(self._client.markdown(task_id))
        elif completed:
            for output in self._client.result(task_id).outputs:
                say(output.text or output.summary)

    def _print_report(self, report: str) -> None:
        if self._out.is_terminal:
            show(self._out, Markdown(plain(report), hyperlinks=False))
        else:
            say(report)
