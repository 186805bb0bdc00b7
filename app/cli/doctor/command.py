"""The command `stepstream doctor`."""

from typing import Annotated

import typer
from rich.text import Text

from app.cli.doctor.examine import examine
from app.cli.environment import Url
from app.cli.exits import Exit
from app.cli.redis_access import settings_with_redis
from app.cli.reporting import reported
from app.cli.terminal import consoles, json_line, one_line, say, show
from app.preflight.finding import Finding, Status

STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}
CHECK_CHARS, SAID_CHARS_MAX = 12, 1_000


def doctor(
    url: Url = None,
    as_json: Annotated[bool, typer.Option("--json", help="Each finding as one JSON object per line.")] = False,
) -> None:
    """Look at everything, and say what to do. Changes nothing; the exit code is 1 when something fails."""
    settings = settings_with_redis()
    failed = False
    with reported():
        for finding in examine(settings, url):
            failed = failed or finding.status is Status.FAIL
            _tell(finding, as_json)
    if failed:
        raise typer.Exit(Exit.FAILED)


def _tell(finding: Finding, as_json: bool) -> None:
    if as_json:
        row = {"check": finding.check, "status": finding.status, "said": finding.said, "advice": finding.advice}
        say(json_line(row))
        return
    out, _ = consoles()
    check, said = f"{finding.check:{CHECK_CHARS}}", one_line(finding.said, SAID_CHARS_MAX)
    lines = Text.assemble((f"{finding.status:4}", STYLES[finding.status]), f"  {check}  {said}")
    if finding.advice:
        lines.append(f"\n{'':{6 + CHECK_CHARS}}  -> {one_line(finding.advice, SAID_CHARS_MAX)}", style="dim")
    show(out, lines) if out.is_terminal else say(lines.plain)
