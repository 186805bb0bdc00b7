"""
A version of this program that is one further, made of a copy of it.

It writes more than this one knows wherever something is kept or sent: in the lines and the JSON of a task's hash, in
messages, in outputs, in events, and events of a new type. So it has another library of transitions.
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PARTS = ("app", "actors", "tests/e2e", "tests/__init__.py", "tests/deployment.py", "stepstream.py")

LATER = "    later: int = 1\n"
PONDERED = """
  if kind == 'step.started' then
    append(t, 'step.pondered', agent, scope, '{"later":1}', quiet)
  end
"""

#: In which file something is added behind what.
ADDED: dict[str, list[tuple[str, str]]] = {
    "app/dispatch/lua/_task.lua": [
        (".. s.entry .. s.later_state", " .. (s.later_state == '' and '|later' or '')"),
        ('{"v":1,"seq":\' .. seq .. \',"type":"\' .. kind .. \'"', ',"later":1'),
        ("  t.loud = t.loud or not quiet", PONDERED),
    ],
    "app/dispatch/scripts.py": [("options={", '"later": "1", ')],
    "app/dispatch/record.py": [
        ("_joined(step.depends_on), _joined(children),", ' "later",'),
        ('        "planner", plan.planner,\n', '        "later", "1",\n'),
    ],
    "app/model/agents.py": [("    markdown: str | None = None\n", LATER)],
    "app/model/task.py": [("    web: bool = False\n", LATER)],
    "app/model/output.py": [("frozen=True)\n", LATER)],
    "app/model/plan.py": [
        ('    reason: str | None = Field(None, max_length=300, description="Why the step is in the plan.")\n', LATER)
    ],
}


def made(folder: Path) -> Path:
    """Puts it into this folder; returns where to start its processes."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    for name, additions in ADDED.items():
        path = folder / name
        text = path.read_text()
        for before, more in additions:
            assert text.count(before) == 1, f"{name} has no longer one {before!r}"
            text = text.replace(before, before + more)
        path.write_text(text)
    return folder
