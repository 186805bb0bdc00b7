"""One page, over a real connection: what is read, what is refused, and what nobody has to wait for."""

import gzip
import os
import zlib
from contextlib import suppress
from itertools import cycle

import anyio
import pytest
from anyio.abc import ByteStream
from hypothesis import given
from hypothesis import strategies as st

from actors.tools.web.body import Unpacker
from actors.tools.web.trouble import TooLarge, Unreached
from tests.unit.web.conftest import Reading
from tests.unit.web.site import Site, endless, redirect, reply, trickling, zipped

pytestmark = pytest.mark.anyio

PAGE = "<html><head><title>Tea</title></head><body><h1>Tea</h1><p>Tea is served hot.</p></body></html>"


async def test_a_page_becomes_a_document_under_its_url(reading: Reading, site: Site) -> None:
    """Text with its headings; a request that says who asks and brings nothing along."""
    site.answers["/tea"] = reply(PAGE)

    (document,) = await reading.read("/tea")

    assert document.name == site.url("/tea")
    assert "# Tea" in document.text
    assert "Tea is served hot." in document.text
    assert not reading.failures
    headers = site.asked[-1].headers
    assert headers["user-agent"].startswith("stepstream")
    assert headers["host"] == f"127.0.0.1:{site.port}"
    assert not {"cookie", "authorization", "referer"} & set(headers)
    assert reading.messages == [f"read {site.url('/tea')}"]


async def test_pages_stand_in_the_order_in_which_they_were_named(reading: Reading, site: Site) -> None:
    """Whichever came first; a page that is named twice, or says the same, counts once."""
    for name in "abc":
        site.answers[f"/{name}"] = reply(f"Text {name}.", kind="text/plain")
    site.answers["/again"] = reply("Text a.", kind="text/plain")

    documents = await reading.read("/c", "/a", "/again", "/b", "/c")

    assert [document.text for document in documents] == ["Text c.", "Text a.", "Text b."]


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("Tee für alle.".encode("cp1252"), "text/plain; charset=iso-8859-1", "Tee für alle."),
        ("Tee für alle.".encode(), "text/plain", "Tee für alle."),
        ("<meta charset='koi8-r'><p>Чай".encode("koi8-r"), "text/html", "Чай"),
        ("<p>お茶".encode("shift_jis"), "text/html; charset=Shift_JIS", "お茶"),
        (b"\xef\xbb\xbf<p>Tee f\xc3\xbcr alle.", "text/html; charset=iso-8859-1", "Tee für alle."),
        (b"Tee f\xfcr alle.", "text/plain; charset=unknown", "Tee für alle."),
        (b"# Tea\n\nHot.", "text/markdown", "# Tea\n\nHot."),
        (b"+ADw-tea+AD4-", "text/plain; charset=utf-7", "+ADw-tea+AD4-"),
        (b"\\u0041", "text/plain; charset=unicode_escape", "\\u0041"),
        (b"<p>Without a type.", "", "Without a type."),
    ],
)
async def test_text_is_read_in_its_own_encoding(
    reading: Reading, site: Site, body: bytes, kind: str, text: str
) -> None:
    """By its mark, by what the server says, by what the page says of itself."""
    site.answers["/"] = reply(body, kind=kind)

    (document,) = await reading.read("/")

    assert document.text.strip() == text


async def test_a_page_may_not_choose_any_codec(reading: Reading, site: Site) -> None:
    """Punycode takes time by the square of the length."""
    text = "Tea-is-" + "b9z" * 500_000
    site.answers["/"] = reply(text, kind="text/plain; charset=punycode")

    (document,) = await reading.read("/")

    assert document.text == text


@pytest.mark.parametrize("kind", ["image/png", "application/zip", "video/mp4", "application/octet-stream", "text/csv"])
async def test_other_media_types_are_not_even_downloaded(reading: Reading, site: Site, kind: str) -> None:
    """The head of the answer is enough; the body has no end here."""
    site.answers["/"] = endless(b"x" * 1000, kind=kind)

    assert await reading.read("/") == []

    assert reading.reasons == [f"is of a kind that is not read: {kind}"]


async def test_a_body_without_end_is_cut_off_at_the_limit(reading: Reading, site: Site) -> None:
    """However long the server goes on."""
    site.answers["/"] = endless(b"x" * 1000)

    assert await reading.read("/", page_bytes_max=100_000) == []

    assert reading.reasons == ["has more than 100000 bytes"]
    await site.left.wait()


async def test_a_body_that_is_announced_as_too_large_is_not_begun(reading: Reading, site: Site) -> None:
    """`Content-Length` is believed when it says no."""

    async def head_only(client: ByteStream) -> None:
        await client.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100001\r\n\r\n")
        await anyio.sleep_forever()

    site.answers["/"] = head_only

    assert await reading.read("/", page_bytes_max=100_000) == []

    assert reading.reasons == ["has more than 100000 bytes"]


async def test_a_zip_bomb_is_cut_off_as_it_unpacks(reading: Reading, site: Site) -> None:
    """A hundred kilobytes that stand for a hundred megabytes."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    site.answers["/"] = reply(bomb, "content-encoding: gzip", kind="text/plain")

    assert await reading.read("/", page_bytes_max=1 << 20) == []

    assert reading.reasons == ["has more than 1048576 bytes"]


async def test_packed_pages_are_unpacked(reading: Reading, site: Site) -> None:
    """gzip, also in several members and with padding; it is all that was offered."""
    site.answers["/one"] = zipped(b"Tea is hot.")
    site.answers["/two"] = reply(
        gzip.compress(b"Tea ") + gzip.compress(b"is warm.") + bytes(8), "content-encoding: gzip", kind="text/plain"
    )

    documents = await reading.read("/one", "/two")

    assert [document.text for document in documents] == ["Tea is hot.", "Tea is warm."]
    assert site.asked[-1].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "encoding", "reason"),
    [
        (b"whatever", "br", "an encoding that was not asked for"),
        (b"whatever", "gzip, gzip", "an encoding that was not asked for"),
        (b"no gzip", "gzip", "cannot be unpacked"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "gzip", "ends too early"),
        (gzip.compress(b"", mtime=0) * 200, "gzip", "cannot be unpacked"),
    ],
)
async def test_a_badly_packed_body_is_no_page(
    reading: Reading, site: Site, body: bytes, encoding: str, reason: str
) -> None:
    """Not asked for, broken, cut short, or in more pieces than anybody needs."""
    site.answers["/"] = reply(body, f"content-encoding: {encoding}", kind="text/plain")

    assert await reading.read("/") == []

    assert reason in reading.reasons[0]


async def test_a_server_that_trickles_is_given_up(reading: Reading, site: Site) -> None:
    """There is a limit for the whole page, not only for the silence between two bytes."""
    site.answers["/"] = trickling

    assert await reading.read("/", page_s_max=0.3) == []

    assert reading.reasons == ["did not answer within 0.3 s"]
    await site.left.wait()


async def test_a_cancelled_step_hangs_up_at_once(reading: Reading, site: Site) -> None:
    """Nothing is downloaded for nobody."""
    site.answers["/"] = trickling

    async with anyio.create_task_group() as group:
        group.start_soon(reading.read, "/")
        await site.visited.wait()
        group.cancel_scope.cancel()

    await site.left.wait()


async def test_a_redirect_is_followed_and_the_page_keeps_its_name(reading: Reading, site: Site) -> None:
    """Relative or not, with any of the statuses; what is cited is what the task named."""
    site.answers |= {
        "/a": redirect("b", "301 Moved Permanently"),
        "/b": redirect(site.url("/c"), "308 Permanent Redirect"),
    }
    site.answers["/c"] = reply("Tea is hot.", kind="text/plain")

    (document,) = await reading.read("/a")

    assert (document.name, document.text) == (site.url("/a"), "Tea is hot.")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/", "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/", "http://2130706433/",
        "http://localhost/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_FLUSHALL", "http://user:pass@example.com/",
        "//192.168.0.1/", "\\\\10.0.0.1\\", "http://example.com:6379/",
    ],
)  # fmt: skip
async def test_a_redirect_to_a_forbidden_url_is_refused(reading: Reading, site: Site, location: str) -> None:
    """Each hop is checked as the first one was."""
    site.answers["/"] = redirect(location)

    assert await reading.read("/") == []

    assert reading.reasons[0].startswith("redirects to a URL that ")
    assert site.paths() == ["/"]


async def test_redirects_come_to_an_end(reading: Reading, site: Site) -> None:
    """A circle is left after five."""
    site.answers["/"] = redirect("/")

    assert await reading.read("/") == []

    assert reading.reasons == ["redirects more than 5 times"]
    assert len(site.paths()) == 6


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply("", status="404 Not Found"), "answers 404 Not Found"),
        (reply("", status="599 Whatever"), "answers 599"),
        (reply("", status="302 Found"), "answers 302 Found"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP as it should"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000 + b"\r\n", "does not speak HTTP as it should"),
        (reply("<html><script>1</script></html>"), "holds no text"),
        (reply(b"\0\1\2" * 100, kind="text/plain"), "is not text"),
    ],
)
async def test_what_is_no_page_is_told_with_its_reason(
    reading: Reading, site: Site, answer: bytes, reason: str
) -> None:
    """The others are read; this one is listed."""
    site.answers |= {"/": answer, "/good": reply("Tea is hot.", kind="text/plain")}

    documents = await reading.read("/", "/good")

    assert [document.text for document in documents] == ["Tea is hot."]
    assert reason in reading.reasons[0]
    assert reading.failures.listed()[0]["uri"] == site.url("/")
    assert f"could not read {site.url('/')}" in reading.messages


async def test_nothing_is_taken_from_the_environment(
    reading: Reading, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would make the connection, and so decide where to."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, "http://127.0.0.1:1")
    site.answers["/"] = reply("Tea is hot.", kind="text/plain")

    assert len(await reading.read("/")) == 1


@given(
    st.binary(max_size=2_000),
    st.lists(st.integers(1, 50), min_size=1, max_size=20),
    st.booleans(),
    st.integers(1, 3),
)
def test_a_body_is_the_same_in_whatever_pieces_it_comes(
    content: bytes, sizes: list[int], packed: bool, members: int
) -> None:
    """And counted byte by byte: one less is too little."""
    whole = b"".join(gzip.compress(content) for _ in range(members)) if packed else content * members
    pieces, at = [], 0
    for size in cycle(sizes):
        if at >= len(whole):
            break
        pieces.append(whole[at : at + size])
        at += size

    def unpacked(bytes_max: int) -> bytes:
        unpacker = Unpacker("gzip" if packed else "", bytes_max)
        for piece in pieces:
            unpacker.take(piece)
        return unpacker.whole()

    size = max(len(whole), len(content) * members)
    assert unpacked(size) == content * members
    if size:
        with pytest.raises(TooLarge):
            unpacked(size - 1)


@given(st.binary(max_size=300))
def test_any_bytes_are_unpacked_or_refused(content: bytes) -> None:
    """Never another error."""
    unpacker = Unpacker("gzip", 10_000)
    with suppress(Unreached):
        unpacker.take(content)
        unpacker.whole()
