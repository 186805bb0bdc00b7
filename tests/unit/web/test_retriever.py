"""The retriever on pages: their passages, and what becomes of a step when there are none."""

from pathlib import Path
from typing import Any

import pytest

from app.errors import Permanent, Retryable
from app.model.agents import StepOutput
from app.model.task import Document, TaskInputs
from tests.unit.agents.conftest import Bench
from tests.unit.web.conftest import Reading
from tests.unit.web.site import Site, reply

pytestmark = pytest.mark.anyio

PAGE = """<!doctype html><html><head><title>Tea</title></head><body><nav>Home</nav><main><h1>Brewing tea</h1>
<h2>Water</h2><p>Green tea is brewed at seventy degrees, because boiling water makes it bitter.</p></main></body>"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache")


async def retrieve(bench: Bench, reading: Reading, text: str, *, documents: Any = None, **inputs: Any) -> StepOutput:
    ctx = bench.context(documents=documents, web=reading.options())
    ctx.task_inputs = TaskInputs(**inputs)
    return await bench.step("retriever", text, ctx)


async def test_passages_of_a_page_name_its_url(bench: Bench, reading: Reading, site: Site) -> None:
    """Found by their words beside the task's own documents, an exact slice of the page's text."""
    site.answers["/tea"] = reply(PAGE)
    own = [Document(name="coffee.md", text="# Coffee\n\nCoffee is brewed at ninety degrees.")]

    output = await retrieve(
        bench, reading, "green tea bitter", documents=own, urls=[site.url("/tea"), site.url("/gone")]
    )

    data: Any = output.data
    assert data["documents"] == 2
    assert data["passages"][0]["uri"] == site.url("/tea")
    assert "seventy degrees" in data["passages"][0]["text"]
    assert data["unreachable"] == [{"uri": site.url("/gone"), "reason": "answers 404 Not Found"}]
    assert bench.emitted("source.found")[0].passage.uri == site.url("/tea")


async def test_the_same_page_gives_the_same_passages(bench: Bench, reading: Reading, site: Site) -> None:
    """Fetched again or taken from the cache."""
    site.answers["/tea"] = reply(PAGE, "cache-control: no-store")

    outputs = [await retrieve(bench, reading, "green tea", urls=[site.url("/tea")]) for _ in range(2)]

    assert outputs[0].data == outputs[1].data
    assert site.paths() == ["/tea", "/tea"]


async def test_a_step_with_nothing_to_read_fails_with_the_reason(bench: Bench, reading: Reading, site: Site) -> None:
    """At once where another try cannot help."""
    site.answers["/broken"] = reply("", status="500 Internal Server Error")

    with pytest.raises(Permanent, match="answers 404 Not Found"):
        await retrieve(bench, reading, "tea", urls=[site.url("/gone")])
    with pytest.raises(Retryable, match="answers 500"):
        await retrieve(bench, reading, "tea", urls=[site.url("/broken")])
    with pytest.raises(Permanent, match="no documents"):
        await retrieve(bench, reading, "tea")


async def test_a_search_without_results_is_no_failure(bench: Bench, reading: Reading, site: Site) -> None:
    """The report says that nothing was found."""
    site.answers["/search?q=tea&format=json"] = reply('{"results": []}', kind="application/json")
    ctx = bench.context(web=reading.options(searxng_url=site.url()))
    ctx.task_inputs = TaskInputs(web=True)

    output = await bench.step("retriever", "tea", ctx)

    assert output.summary == "nothing found in 0 documents"
