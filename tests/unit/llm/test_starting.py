"""What a process loads for a language model, and what it says where it cannot."""

import os
import subprocess
import sys

import pytest

from app.config import BadSettings, read_settings

WITHOUT = """
import sys
import actors.retriever, actors.analyzer, actors.writer
from app.bootstrap.worker import worker_broker
from app.config import Settings
from app.main import create_app
create_app(Settings())
worker_broker(Settings())
loaded = {name.partition(".")[0] for name in sys.modules}
tracing = {"opentelemetry.sdk.trace", "opentelemetry.exporter", "google.protobuf", "app.tracing.otel"}
print(sorted(loaded & {"openai", "jiter"} | set(sys.modules) & tracing))
"""
MISSING = "import sys; sys.modules['openai'] = None; from app.bootstrap.startup import begin; begin('api')"
MODEL = {"STEPSTREAM_LLM_BASE_URL": "http://127.0.0.1:9/v1", "STEPSTREAM_LLM_MODEL": "small"}


def run(program: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    others = {name: value for name, value in os.environ.items() if not name.startswith("STEPSTREAM_")}
    return subprocess.run(
        [sys.executable, "-c", program], env=others | environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def test_a_process_without_a_model_or_a_collector_loads_nothing_for_them() -> None:
    """Neither API nor workers: the SDK of the model takes more than a second to import."""
    done = run(WITHOUT)

    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


def test_a_process_that_cannot_ask_its_model_says_so_at_its_start() -> None:
    """One line with what to install, and the exit code of a bad setting."""
    done = run(MISSING, **MODEL)

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "pip install 'stepstream[llm]'" in line


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"LLM_BASE_URL": "http://127.0.0.1:9/v1"}, "STEPSTREAM_LLM_BASE_URL needs STEPSTREAM_LLM_MODEL"),
        ({"PLANNER": "llm"}, "STEPSTREAM_PLANNER=llm needs STEPSTREAM_LLM_BASE_URL"),
        ({"LLM_BASE_URL": "127.0.0.1/v1", "LLM_MODEL": "m"}, "STEPSTREAM_LLM_BASE_URL: "),
        ({"LLM_PRICES": "small=1"}, "STEPSTREAM_LLM_PRICES: write prices as model=input/output"),
        ({"LLM_PRICES": "small=1/-2"}, "STEPSTREAM_LLM_PRICES: write prices as model=input/output"),
        ({"LLM_PRICES": "small=1/nan"}, "STEPSTREAM_LLM_PRICES: write prices as model=input/output"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    """With a line that names what is missing."""
    for name, value in variables.items():
        monkeypatch.setenv(f"STEPSTREAM_{name}", value)

    with pytest.raises(BadSettings) as caught:
        read_settings()

    assert len(caught.value.lines) == 1
    assert caught.value.lines[0].startswith(said)


def test_prices_are_written_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names hold colons, slashes and dots; the key stays out of sight."""
    monkeypatch.setenv("STEPSTREAM_LLM_PRICES", "gpt-x=1.25/10/0.125, org/model:8b=0/0")
    monkeypatch.setenv("STEPSTREAM_LLM_API_KEY", "sk-secret")

    settings = read_settings()

    assert settings.llm_prices == {"gpt-x": (1.25, 10.0, 0.125), "org/model:8b": (0.0, 0.0)}
    assert "sk-secret" not in f"{settings!r} {settings} {settings.model_dump()}"
