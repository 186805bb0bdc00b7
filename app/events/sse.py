"""
Server-sent events on the wire, as bytes.

An event's frame carries its id, so that a client which reconnects says where it was. Control frames
(`stream.reset`: forget what you have, the full replay follows; `stream.end`: nothing follows) have no id
and so never move the client's position.
"""

import orjson

#: Sent once, first: it opens the stream for the client and paces its reconnects.
RETRY = b"retry: 2000\n\n"
RESET = b"event: stream.reset\ndata: {}\n\n"
END = b"event: stream.end\ndata: {}\n\n"


def frame(event_id: str, event_type: str, body: bytes) -> bytes:
    """The frame of one stored event; `body` is its JSON."""
    if b"\n" in body or b"\r" in body:
        # A line break would end the `data:` line; in JSON it can only be white space between tokens.
        body = orjson.dumps(orjson.loads(body))
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event_id.encode(), event_type.encode(), body)
