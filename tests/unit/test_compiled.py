"""What is found without FastAPI's solver is what FastAPI finds."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from app.api.compiled import compiled

BEARER = HTTPBearer(auto_error=False)


class Body(BaseModel):
    """A body with a rule."""

    text: Annotated[str, Field(min_length=1)]
    number: int = 5


async def lines(accept: Annotated[Sequence[str], Header()] = ()) -> list[str]:
    return list(accept)


async def level(
    level: Annotated[int | None, Header(ge=1)] = None, x_name: Annotated[str | None, Header()] = None
) -> str:
    return f"{level} {x_name}"


async def caller(request: Request, credentials: Annotated[Any, Depends(BEARER)]) -> str:
    if request.headers.get("x-name") == "nobody":
        raise HTTPException(401)
    return str(credentials and credentials.credentials)


async def both(
    level: Annotated[str, Depends(level)], lines: Annotated[list[str], Depends(lines)], request: Request
) -> list[object]:
    return [level, lines, request.method]


async def endpoint(
    body: Body,
    caller: Annotated[str, Security(caller, scopes=["submit"])],
    both: Annotated[list[object], Depends(both)],
    lines: Annotated[list[str], Depends(lines)],
    key: Annotated[str | None, Header(pattern="^[a-z]+$")] = None,
) -> Response:
    return Response(repr([body, caller, both, lines, key]))


class CompiledRoute(APIRoute):
    """A route that is never left to FastAPI."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = compiled(self)
        assert handler
        return handler  # type: ignore[return-value]  # an awaitable is what is needed


def application() -> FastAPI:
    app = FastAPI()
    for path, kind in (("/theirs", APIRoute), ("/ours", CompiledRoute)):
        router = APIRouter(route_class=kind)
        router.add_api_route(path, endpoint, methods=["POST"])
        app.include_router(router)
    return app


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["accept", "level", "x-name", "key", "authorization", "Key"]),
        st.sampled_from(["", "a", "ab, c", "3", "0", "nobody", "Bearer k", "*/*", "A"]),
    ),
    max_size=6,
)
BODIES = st.sampled_from(
    ['{"text": "a"}', '{"text": ""}', '{"text": "a", "number": "x"}', "{}", "[]", "null", '{"text": 1, "number": []}']
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(headers=HEADERS, body=BODIES)
@pytest.mark.anyio
async def test_a_request_is_read_as_fastapi_reads_it(headers: list[tuple[str, str]], body: str) -> None:
    """The same values, or the same errors in the same order, whatever is there, missing, wrong or repeated."""
    transport = httpx2.ASGITransport(app=application())
    sent = [*headers, ("content-type", "application/json")]
    async with httpx2.AsyncClient(transport=transport, base_url="http://api") as http:
        theirs, ours = [await http.post(path, content=body, headers=sent) for path in ("/theirs", "/ours")]

    assert (ours.status_code, ours.text) == (theirs.status_code, theirs.text)


def plain() -> str:
    return ""


async def yields() -> AsyncIterator[str]:
    yield ""


async def asks_in_the_query(q: Annotated[str, Query()]) -> Response:
    return Response(q)


async def answers_with_a_model(body: Body) -> Body:
    return body


async def has_a_plain_function(_: Annotated[str, Depends(plain)]) -> Response:
    return Response()


async def has_one_that_yields(_: Annotated[str, Depends(yields)]) -> Response:
    return Response()


async def wants_it_anew(_: Annotated[str, Depends(lines, use_cache=False)]) -> Response:
    return Response()


async def needs_a_header(key: Annotated[str, Header()]) -> Response:
    return Response(key)


@pytest.mark.parametrize(
    "unusual",
    [
        asks_in_the_query, answers_with_a_model, has_a_plain_function, has_one_that_yields, wants_it_anew,
        needs_a_header,
    ],
)  # fmt: skip
def test_what_is_unusual_is_left_to_fastapi(unusual: Callable[..., Any]) -> None:
    """A route that asks for something else keeps the handler it had."""
    assert compiled(APIRoute("/", unusual, methods=["POST"])) is None
