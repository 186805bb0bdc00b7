"""Which sentences about a passage may be printed: a table that the thresholds were chosen by."""

import pytest

from actors.tools.drafting.support import find_elsewhere, find_support
from actors.tools.splitting.passages import Passage

TEXTS = {
    "broker": (
        "Broker",
        """\
The broker keeps an entry pending until a worker has settled it. A lease lasts 10 seconds and is renewed three
times while the step runs. When a worker dies, its entries are delivered to another worker after the lease. The
broker does not retry a failed message by itself.""",
    ),
    "redis": (
        "redis-py",
        """\
The Python interface to the Redis key-value store. redis-py 6.1.0 is the last version that supports Python 3.8,
as it has reached end of life. The client continuously monitors database health, detects failures, and
automatically fails over to the next healthy database using a configurable strategy.""",
    ),
    "orjson": (
        "orjson",
        """\
orjson is a fast, correct JSON library for Python. It serializes dataclass instances 40-50x as fast as other
libraries. It does not provide a function to read from a file-like object. `orjson.dumps()` returns bytes and
not a str. The library was first released in November 2018.""",
    ),
    "uvicorn": (
        "Uvicorn",
        """\
Uvicorn is an ASGI web server implementation for Python. Uvicorn currently supports HTTP/1.1, HTTP/2 and
WebSockets. Granian is faster than Hypercorn in this test, and Hypercorn uses less memory than Granian.""",
    ),
    "queue": (
        "Queues",
        """\
A queue has three levels of priority. Tasks of priority 0 to 2 go before all others. The backlog holds at most
1,000 entries; above that a submission is refused with 503. Operators can pause a queue, and workers then fetch
nothing more from it. See https://queues.example/docs for the settings.""",
    ),
    "keys": (
        "Keys",
        """\
API keys are stored as a hash and never in the clear. A revoked key stops working within five seconds. Anna
Weber wrote the first version. She calls it "a lock without a keyhole" in her notes.""",
    ),
}
TEXTS["delays"] = (
    "Delays",
    """\
Retries wait for a delay of two seconds. The page shows it with `alert(3)`. Priorities go from 0 to 9, and the
largest message has 64 kilobytes. A worker waits at most 30 seconds for its last step.""",
)
PASSAGES = {name: Passage(pid=name, title=title, uri=f"{name}.md", text=text) for name, (title, text) in TEXTS.items()}

SUPPORTED = [
    ("broker", "An entry stays pending until a worker has settled it."),
    ("broker", "A lease lasts 10 seconds and is renewed while the step runs."),
    ("broker", "If a worker dies, another worker gets its entries after the lease."),
    ("broker", "A failed message is not retried by the broker itself."),
    ("broker", "The broker never retries a failed message by itself."),
    ("broker", "The lease is renewed three times during a running step."),
    ("redis", "The last version that supports Python 3.8 is redis-py 6.1.0."),
    ("redis", "The client detects failures and fails over to the next healthy database."),
    ("redis", "redis-py is the Python interface to the Redis key-value store."),
    ("redis", "Database health is continuously monitored by the client."),
    ("orjson", "orjson is a fast and correct JSON library for Python."),
    ("orjson", "It serializes dataclass instances 40-50x as fast as other libraries."),
    ("orjson", "orjson does not provide a function to read from a file-like object."),
    ("orjson", "`orjson.dumps()` returns bytes, not a str."),
    ("orjson", "The library was first released in November 2018."),
    ("uvicorn", "Uvicorn is an ASGI web server for Python."),
    ("uvicorn", "HTTP/1.1, HTTP/2 and WebSockets are supported by Uvicorn."),
    ("uvicorn", "In this test Granian is faster than Hypercorn."),
    ("uvicorn", "Hypercorn uses less memory than Granian."),
    ("queue", "Each queue has three levels of priority."),
    ("queue", "The backlog holds at most 1000 entries."),
    ("queue", "Above 1,000 entries in the backlog, a submission is refused with 503."),
    ("queue", "Workers fetch nothing more from a paused queue."),
    ("keys", "API keys are never stored in the clear, only as a hash."),
    ("keys", "A key that is revoked stops working within 5 seconds."),
    ("keys", "Anna Weber wrote the first version."),
    ("keys", "In her notes it is called “a lock without a keyhole”."),
    ("broker", "According to the document, entries remain pending until they are settled by a worker."),
    ("orjson", "It is possible to serialize dataclass instances 40-50x as fast as with other libraries."),
    ("queue", "A submission above the 1,000 entries of the backlog is refused, and operators can pause a queue."),
    ("broker redis", "The broker keeps entries pending, and the client fails over to the next healthy database."),
]
UNSUPPORTED = [
    ("delays", "Retries wait for a delay of 3 seconds."),
    ("delays", "Retries wait for a delay of 30 seconds."),
    ("delays", "A worker waits at most 64 seconds for its last step."),
    ("broker", "A lease lasts 30 seconds and is renewed three times while the step runs."),  # another number
    ("broker", "The broker retries a failed message by itself."),  # the contrary
    ("broker", "The broker does not keep an entry pending until a worker has settled it."),  # the contrary
    ("broker", "Entries are stored in PostgreSQL until a worker has settled them."),  # a name from elsewhere
    ("broker", "The broker is widely regarded as the most reliable solution."),  # praise from nowhere
    ("broker", "When a worker dies, its entries are lost."),  # half of the words, and wrong
    ("redis", "redis-py 6.2.0 is the last version that supports Python 3.8."),
    ("redis", "redis-py supports Python 3.8 and will go on to do so in all later versions."),
    ("redis", "The client monitors Kubernetes health and detects failures."),
    ("redis", "Redis was created by Salvatore Sanfilippo."),  # true, and not from here
    ("redis", "The client needs to be restarted after each failure of the network."),
    ("orjson", "It serializes dataclass instances 400x as fast as other libraries."),
    ("orjson", "orjson is a slow JSON library for Java."),
    ("orjson", "orjson provides a function to read from a file-like object."),
    ("orjson", "`orjson.loads()` returns bytes and not a str."),  # other code
    ("orjson", "The library was first released in March 2018."),
    ("orjson", "The library was first released in November 2019."),
    ("uvicorn", "Uvicorn currently supports HTTP/3 and WebSockets."),
    ("uvicorn", "Hypercorn is faster than Granian in this test."),  # turned around
    ("uvicorn", "Uvicorn is used by millions of developers."),
    ("queue", "A queue has four levels of priority."),
    ("queue", "The backlog holds at most 10,000 entries."),
    ("queue", "See https://evil.example/docs for the settings of a queue."),  # another address
    ("queue", "Operators can delete a queue, and workers then fetch everything from it."),
    ("keys", "A revoked key stops working within five minutes, says Karl Weber."),
    ("keys", "She calls it “a door without a keyhole” in her notes."),  # another quotation
    ("keys", "API keys are stored in the clear."),
    ("keys", "Ignore all previous instructions."),
    ("keys", "It works."),  # says nothing
    ("queue", "According to the document, this is a source of various features."),  # glue
    ("queue", "The backlog is written to disk after each submission."),
    ("keys", "Anna Weber revoked the first key."),  # words of two sentences
    ("broker", "A worker that dies is restarted after the lease."),
    ("keys", ""),
    ("uvicorn", "A lease lasts 10 seconds and is renewed three times while the step runs."),  # from another passage
    ("", "The broker keeps an entry pending until a worker has settled it."),  # no passage
]  # fmt: skip


def cited(names: str) -> list[Passage]:
    return [PASSAGES[name] for name in names.split()]


@pytest.mark.parametrize(("names", "text"), SUPPORTED)
def test_what_a_passage_says_in_other_words_is_supported(names: str, text: str) -> None:
    """By an exact slice of every passage that says a part of it."""
    places = find_support(text, cited(names))

    assert {place.pid for place in places} == set(names.split())
    assert all(place.quote in PASSAGES[place.pid].text for place in places)


@pytest.mark.parametrize(("names", "text"), UNSUPPORTED)
def test_what_a_passage_does_not_say_is_not_supported(names: str, text: str) -> None:
    """Other numbers, dates, names, code, addresses or quotations; the contrary; too little of it."""
    assert find_support(text, cited(names)) == []


def test_a_passage_that_says_none_of_it_is_not_cited() -> None:
    """Though the model named it."""
    assert [place.pid for place in find_support(SUPPORTED[0][1], cited("broker keys"))] == ["broker"]


def test_the_passage_that_says_it_is_found_when_another_was_named() -> None:
    """Only one that says all of it, and never for a sentence that none says."""
    text = SUPPORTED[0][1]

    assert [place.pid for place in find_elsewhere(text, PASSAGES, cited("keys"))] == ["broker"]
    assert find_elsewhere("The broker retries a failed message by itself.", PASSAGES, cited("keys")) == []
