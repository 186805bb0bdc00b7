"""What a task was asked, as it can be asked again."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import Services, Submitter, TaskId, kept
from app.api.problems import documented
from app.dispatch.fork import as_sent
from app.errors import NotPossible, TaskNotFound
from app.model.answers import RequestBody, RequestInputs
from app.model.task import Document

router = APIRouter(tags=["tasks"])


@router.get("/tasks/{task_id}/request", responses=documented(404, 409, 410, 422, 503))
async def request_of_task(
    _: Submitter,
    task_id: TaskId,
    services: Services,
    documents: Annotated[bool, Query(description="Whether the texts that came with it are sent along.")] = True,
) -> RequestBody:
    """
    The body that would submit this task once more; 409 when its documents are no longer kept.

    A plan that the client had sent is in it, without the steps that agents have added; one that the server made is
    left to the server.
    """
    with kept(services):
        plan = await services.reader.plan(task_id)
        task = await services.reader.origin(task_id, task_id, plan)
        grown = await services.reader.grown(task_id)
    texts = await _documents(task.inputs.documents_sha256, services) if documents else []
    inputs = RequestInputs(
        documents=texts, collection=task.inputs.collection, urls=task.inputs.urls, web=task.inputs.web
    )
    return RequestBody(
        task=task.task,
        plan=as_sent(plan, grown) if plan.planner == "client" else None,
        planner=plan.planner if plan.planner in {"rules", "llm"} else None,
        inputs=inputs,
        output=task.output,
        priority=task.priority,
        labels=task.labels,
        concurrency=task.concurrency,
    )


async def _documents(sha256: str | None, services: Services) -> list[Document]:
    if sha256 is None:
        return []
    try:
        return await services.reader.documents(sha256)
    except TaskNotFound as error:
        raise NotPossible("The documents of the task are no longer kept.") from error
