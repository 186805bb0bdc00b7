"""The client of the HTTP API: needs no server code."""

from app.client.client import Client
from app.client.errors import ApiError, ApiUnreachable, ClientError, KeyExposed, StreamBroken

__all__ = ["ApiError", "ApiUnreachable", "Client", "ClientError", "KeyExposed", "StreamBroken"]
