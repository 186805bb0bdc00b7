"""The form in which a task's document is wanted, from the submission to the answer for whoever asks."""

import pytest

from app.model.agents import StepOutput
from app.model.output import HTML, JSON, MARKDOWN, OutputFormat
from tests.integration.api.support import LINE, Api, Worker, pointers, problem_of

pytestmark = pytest.mark.anyio

PAGE = "<!doctype html>\n<html><body><h1>Report</h1></body></html>\n"
WRITTEN = {
    OutputFormat.MARKDOWN: StepOutput(text="# Report"),
    OutputFormat.HTML: StepOutput(text=PAGE, media_type=HTML, markdown="# Report"),
    OutputFormat.JSON: StepOutput(text='{"title":"Report"}', media_type=JSON, markdown="# Report"),
}


@pytest.mark.parametrize("form", OutputFormat)
async def test_a_document_is_given_in_the_form_that_is_asked_for(api: Api, worker: Worker, form: OutputFormat) -> None:
    """Whatever form the task wrote: JSON has the document as it was written, the others are made of it."""
    task_id = await api.submit(output={"format": form})
    await worker.finish(task_id, 1, 2)

    attempt = await worker.leave(task_id, 3, WRITTEN[form])

    assert attempt.output.format is form
    (output,) = (await api.http.get(f"/tasks/{task_id}/result")).json()["outputs"]
    assert (output["text"], output["media_type"]) == (WRITTEN[form].text, form.media_type)
    markdown = await api.http.get(f"/tasks/{task_id}/result", headers={"accept": MARKDOWN})
    assert (markdown.text, markdown.headers["content-type"]) == ("# Report", "text/markdown; charset=utf-8")
    page = await api.http.get(f"/tasks/{task_id}/result", headers={"accept": HTML})
    assert "<h1>Report</h1>" in page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert (page.text == PAGE) == (form is OutputFormat.HTML)


async def test_a_document_that_has_no_markdown_is_shown_as_code(api: Api, worker: Worker) -> None:
    """What an agent wrote in a form of its own; nothing in it ends the code, and a page shows it as text."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2)
    await worker.leave(task_id, 3, StepOutput(text="a,b\n````\n<script>", media_type="text/csv"))

    markdown = await api.http.get(f"/tasks/{task_id}/result", headers={"accept": MARKDOWN})
    page = await api.http.get(f"/tasks/{task_id}/result", headers={"accept": HTML})

    assert markdown.text == "`````\na,b\n````\n<script>\n`````"
    assert "<pre><code>a,b\n````\n&lt;script&gt;" in page.text


async def test_a_form_that_nobody_writes_is_refused(api: Api) -> None:
    """With its place in the body."""
    for output, pointer in (({"format": "pdf"}, "/output/format"), ({"form": "html"}, "/output/form"), (3, "/output")):
        reply = await api.http.post("/run-task", json={"task": "x", "output": output})
        assert pointers(problem_of(reply, 422)) == [pointer]


async def test_another_form_is_another_request(api: Api) -> None:
    """Under one idempotency key; the default may be said or not."""
    headers = {"idempotency-key": "k"}

    async def status(**body: object) -> int:
        reply = await api.http.post("/run-task", json={"task": "Do it", "plan": LINE, **body}, headers=headers)
        return reply.status_code

    assert await status() == 202
    assert await status(output={"format": "markdown"}) == await status(output={}) == 202
    assert await status(output={"format": "html"}) == 422
