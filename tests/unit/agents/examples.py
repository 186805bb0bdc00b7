"""The code of docs/agents.md, and of the agent in docs/llm.md, as files."""

import re
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "agents.md"


def write_examples(folder: Path) -> dict[str, Path]:
    """Each block of the page that begins with its file's name, and the plan."""
    text = PAGE.read_text()
    found = {match[1]: match[0] for match in re.finditer(r"(?<=```python\n)# (\w+\.py)\n.*?(?=```)", text, flags=re.S)}
    (found["plan.json"],) = re.findall(r"```json\n(.*?)```", text, flags=re.S)
    for name, code in found.items():
        (folder / name).write_text(code)
    return {name: folder / name for name in found}


def write_brief(folder: Path) -> dict[str, Path]:
    """The agent that asks a language model."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.with_name("llm.md").read_text(), flags=re.S)
    (folder / "brief.py").write_text(code)
    return {"brief.py": folder / "brief.py"}
