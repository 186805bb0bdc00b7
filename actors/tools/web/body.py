"""A body as it comes in: unpacked as it goes, and cut off at its limit rather than after it."""

import zlib
from collections.abc import AsyncIterable

from actors.tools.web.trouble import TooLarge, Unreached

ENCODINGS = frozenset({"gzip", "x-gzip"})
PIECE_BYTES_MAX = 64 << 10
#: Members of one gzip stream; each costs, however little is in it.
MEMBERS_MAX = 100


class Unpacker:
    """
    Takes the pieces of a body and keeps what they unpack to, at most `bytes_max`.

    A kilobyte of gzip may stand for a megabyte, so it is unpacked in small pieces and counted after each.
    """

    def __init__(self, encoding: str, bytes_max: int) -> None:
        self._gzip = zlib.decompressobj(wbits=31) if encoding in ENCODINGS else None
        self._bytes_max = bytes_max
        self._members = 1
        self._received = 0
        self._size = 0
        self._pieces: list[bytes] = []

    def take(self, piece: bytes) -> None:
        """Raises `Unreached` above the limit, on either side of the packing, and for what is no gzip."""
        self._received += len(piece)
        if self._received > self._bytes_max:
            raise TooLarge(self._bytes_max)
        try:
            self._unpack(piece)
        except zlib.error as error:
            raise Unreached("sent a body that cannot be unpacked") from error

    def whole(self) -> bytes:
        """All of it; raises `Unreached` when its end is missing."""
        if self._gzip is not None and self._received and not self._gzip.eof:
            raise Unreached("sent a body that ends too early", passing=True)
        return b"".join(self._pieces)

    def _unpack(self, piece: bytes) -> None:
        if self._gzip is None:
            return self._keep(piece)
        while piece:
            if self._gzip.eof:
                # Another member follows (RFC 1952, section 2.2); zeros behind the last one are padding.
                piece = piece.lstrip(b"\0") if self._size else piece
                if not piece:
                    return None
                self._begin_member()
            self._keep(self._gzip.decompress(piece, PIECE_BYTES_MAX))
            piece = self._gzip.unconsumed_tail or self._gzip.unused_data
        return None

    def _begin_member(self) -> None:
        self._members += 1
        if self._members > MEMBERS_MAX:
            raise Unreached("sent a body that cannot be unpacked")
        self._gzip = zlib.decompressobj(wbits=31)

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._bytes_max:
            raise TooLarge(self._bytes_max)
        self._pieces.append(piece)


async def read_body(pieces: AsyncIterable[bytes], encoding: str, bytes_max: int) -> bytes:
    """The whole body, unpacked; raises `Unreached`."""
    encoding = encoding.strip().lower()
    if encoding not in ENCODINGS | {"", "identity"}:
        raise Unreached("sent a body in an encoding that was not asked for")
    unpacker = Unpacker(encoding, bytes_max)
    async for piece in pieces:
        unpacker.take(piece)
    return unpacker.whole()
