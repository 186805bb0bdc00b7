"""The HTTP client under the SDK: says no more than it must, and takes no more than it can hold."""

from collections.abc import AsyncIterator

import httpx2

from app.llm.options import LlmOptions

#: Events of a stream are some 300 bytes around a token: room for tens of thousands of them.
ANSWER_BYTES_MAX = 16 << 20
#: The SDK would add the platform it runs on, and ids of organisations that it finds in the environment.
SENT_HEADERS = frozenset({"host", "accept", "connection", "content-type", "content-length", "user-agent"})


class AnswerTooLarge(httpx2.ReadError):
    """The server sends more than any answer has."""


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, bytes_max: int) -> None:
        self._stream = stream
        self._left = bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise AnswerTooLarge(f"the answer has more than {ANSWER_BYTES_MAX} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def http_client(options: LlmOptions) -> httpx2.AsyncClient:
    """A client for one server; when to give up on it is for the caller to say, but for connecting."""

    async def plain(request: httpx2.Request) -> None:
        # Set where the address holds a name and a password.
        basic = request.headers.get("authorization", "").startswith("Basic ")
        for name in set(request.headers) - SENT_HEADERS - ({"authorization"} if basic else set()):
            del request.headers[name]
        # What is unpacked here could be larger than any bound.
        request.headers["accept-encoding"] = "identity"
        if options.api_key:
            request.headers["authorization"] = f"Bearer {options.api_key}"

    async def bounded(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise httpx2.RemoteProtocolError("the answer is packed, which was not asked for")
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101  # of an asynchronous client
        response.stream = _Bounded(response.stream, ANSWER_BYTES_MAX)

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(None, connect=options.connect_s),
        # A kept connection may be closed by the server in the moment it is used again, and nobody can tell then whether
        # the question was heard. A new one costs little beside an answer.
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        follow_redirects=False,
        event_hooks={"request": [plain], "response": [bounded]},
    )
