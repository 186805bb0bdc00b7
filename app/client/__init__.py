"""The client of the HTTP API, synchronous and asynchronous: needs no server code."""

from app.client.async_client import AsyncClient
from app.client.client import Client
from app.client.errors import ApiError, ApiUnreachable, BadKey, ClientError, KeyExposed, StreamBroken, WaitTimeout

__all__ = [
    "ApiError",
    "ApiUnreachable",
    "AsyncClient",
    "BadKey",
    "Client",
    "ClientError",
    "KeyExposed",
    "StreamBroken",
    "WaitTimeout",
]
