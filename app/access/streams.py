"""How many streams a key holds open in this process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from app.access.errors import TooManyStreams
from app.access.principal import Principal


class StreamPlaces:
    """Counts open streams per key; `0` is no limit. Who comes without a key is not counted."""

    def __init__(self, streams_max: int) -> None:
        self._streams_max = streams_max
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, principal: Principal, size: int = 1) -> Iterator[None]:
        """A place for as long as the block lasts, or `size` of them; raises `TooManyStreams`."""
        key_id = principal.key_id
        if key_id is None:
            yield
            return
        own = principal.rates.streams_max
        limit = self._streams_max if own is None else own
        if limit and self._open[key_id] + size > limit:
            raise TooManyStreams(limit)
        self._open[key_id] += size
        try:
            yield
        finally:
            self._open[key_id] -= size
            if not self._open[key_id]:
                del self._open[key_id]
