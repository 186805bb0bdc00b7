"""A TCP proxy that swallows the reply of one command: then it hangs, as half-open TCP does, or closes."""

import socket
import threading
from contextlib import suppress

CHUNK = 1 << 16


class SwallowingProxy:
    """Forwards everything but, once armed, the reply of the k-th request from then on, or of the k-th of a kind."""

    def __init__(self, redis_url: str, *, hangs: bool) -> None:
        self._path = redis_url.removeprefix("unix://").partition("?")[0]
        self._hangs = hangs
        self._lock = threading.Lock()
        self._left = 0
        self._kind = b""
        self.requests = 0
        self.swallowed = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, k: int, kind: str = "") -> None:
        """`kind` is an argument of its own in the request: its verb, or the hash of its script."""
        with self._lock:
            self._left = k
            self._kind = f"\r\n{kind}\r\n".encode() if kind else b""

    def close(self) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._path)
                self._sockets += [near, far]
                _Pair(self, near, far).start()

    def strikes(self, request: bytes) -> bool:
        """Whether this request is the one whose reply nobody shall see."""
        with self._lock:
            self.requests += 1
            self._left -= self._kind in request
            struck = self._left == 0 and self._kind in request
        if struck:
            self.swallowed.set()
        return struck

    @property
    def hangs(self) -> bool:
        return self._hangs


class _Pair:
    """One connection of a client and its counterpart at the server."""

    def __init__(self, proxy: SwallowingProxy, near: socket.socket, far: socket.socket) -> None:
        self._proxy, self._near, self._far = proxy, near, far
        self._mute = False

    def start(self) -> None:
        for work in (self._requests, self._replies):
            threading.Thread(target=work, daemon=True).start()

    def _requests(self) -> None:
        with suppress(OSError):
            while chunk := self._near.recv(CHUNK):
                # Set before the request leaves: its reply must find it.
                self._mute = self._mute or self._proxy.strikes(chunk)
                self._far.sendall(chunk)
        self._end()

    def _replies(self) -> None:
        with suppress(OSError):
            while chunk := self._far.recv(CHUNK):
                if not self._mute:
                    self._near.sendall(chunk)
                elif not self._proxy.hangs:
                    break
        self._end()

    def _end(self) -> None:
        for one in (self._near, self._far):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
