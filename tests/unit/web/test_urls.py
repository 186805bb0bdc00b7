"""Reading URLs: one meaning or none."""

import string
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.policy import RefusedUrl, WebPolicy, read_entry
from app.web.urls import URL_CHARS_MAX, BadUrl, parse_url

POLICY = WebPolicy()
ADDRESSES = st.integers(0, 2**32 - 1).map(IPv4Address)


def allowing(*entries: str) -> WebPolicy:
    return WebPolicy(allow=tuple(read_entry(entry) for entry in entries))


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTPS://Example.COM:443/A?b=C#d", "https://example.com/A?b=C"),
        ("http://example.com:80?q", "http://example.com/?q"),
        ("http://example.com./a", "http://example.com/a"),
        ("http://Bücher.example/ü?q=ü", "http://xn--bcher-kva.example/%C3%BC?q=%C3%BC"),
        ("http://example。com/", "http://example.com/"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://[2606:4700:4700:0::1111]/", "http://[2606:4700:4700::1111]/"),
        ("http://example.com/%7Ea%2fb", "http://example.com/%7Ea%2fb"),
        ('http://example.com/<a>"', "http://example.com/%3Ca%3E%22"),
    ],
)
def test_a_url_has_one_form(text: str, read: str) -> None:
    """Host in lower case and ASCII, no fragment, no port that says nothing."""
    assert str(POLICY.check_url(text)) == read
    assert str(POLICY.check_url(read)) == read


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "//example.com", "http:example.com", "http:/example.com", "ftp://example.com", "file:///etc/passwd",
        "gopher://example.com", "javascript:alert(1)", "data:text/html,x", "http://", "http:///a", "http://?q",
        "http://example.com:", "http://example.com:0", "http://example.com:65536", "http://example.com:99999999",
        "http://example.com:80:80", "http://user@example.com", "http://user:pass@example.com", "http://example.com@127.0.0.1",
        "http://example.com\\@127.0.0.1", "http:\\\\example.com", "http://example.com/\\..\\a", "http://exa mple.com",
        "http://example.com/a b", "http://example.com/\t", "http://example.com/\n", "http://exa\tmple.com",
        "http://example.com\x00.evil.com", "http://example.com/\x7f", "http://example.com/\x85", "http://exam\u200bple.com",
        "http://exam\xadple.com", "http://example.com/\ufeff", "http://%31%32%37.0.0.1", "http://example%2ecom",
        "http://a..b", "http://.example.com", "http://-a.example", "http://a-.example", "http://[::1", "http://::1/",
        "http://[::1]x/", "http://[fe80::1%25eth0]/", "http://[v1.fe]/", "http://[1.2.3.4]/", "http://exa[mple.com/",
        "http://" + "a" * 64 + ".com", "http://" + "a." * 127 + "com", "http://example.com/" + "a" * URL_CHARS_MAX,
        "http://*.example.com", "http://exa'mple.com", "http://example.com/\ud800", "http://\ud800.com", "http://☃\u3002/",
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_no_url(text: str) -> None:
    """Nothing is repaired: the next one to read it might repair it differently."""
    with pytest.raises(BadUrl):
        POLICY.check_url(text)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1",
        "017700000001", "127.000.000.001", "0x7f.0x0.0x0.0x1", "0", "0.0.0.0", "00000000", "0x", "1.0x", "4294967297",
        "１２７.０.０.１", "127。0。0。1", "①②⑦.⓪.⓪.①", "127.0.0.１", "0ｘ7f.1",  # noqa: RUF001
        "169.254.169.254", "0xA9FEA9FE", "2852039166",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
        "[::127.0.0.1]", "[2002:7f00:1::]", "[fd00::1]", "[fe80::1]", "[fec0::1]", "[fd00:ec2::254]", "10.0.0.1",
        "192.168.1.1", "100.64.0.1", "192.0.0.192", "168.63.129.16", "224.0.0.1", "255.255.255.255", "1.2.3.4.5",
        "a.1", "1..1",
        "localhost", "LOCALHOST", "localhost.", "a.localhost", "redis", "intranet", "printer.local",
        "metadata.google.internal", "wiki.corp", "router.home.arpa", "1.0.0.127.in-addr.arpa", "x.onion",
        "ｌｏｃａｌｈｏｓｔ", "ⓛocalhost",  # noqa: RUF001
    ],
)  # fmt: skip
def test_no_way_to_write_a_private_host_gets_through(host: str) -> None:
    """Decimal, octal, hexadecimal, short, wide, mapped; and names that only a private network has."""
    for form in ("http://{}/", "https://{}:443/latest/meta-data", "http://{}:80"):
        with pytest.raises(BadUrl):
            POLICY.check_url(form.format(host))


@given(ADDRESSES, st.sampled_from(["{:d}", "{:#x}", "{:#o}", "0{:o}"]))
def test_an_ipv4_address_is_four_decimal_numbers(address: IPv4Address, form: str) -> None:
    """As one number, public or not, it is refused, but where the form is that of another decimal number."""
    with pytest.raises(BadUrl):
        POLICY.check_url(f"http://{form.format(int(address))}/")


@given(ADDRESSES, st.lists(st.sampled_from(["{:d}", "{:#x}", "0{:o}"]), min_size=4, max_size=4))
def test_parts_in_other_bases_are_refused(address: IPv4Address, forms: list[str]) -> None:
    """A part that is not decimal makes the whole no address."""
    host = ".".join(form.format(part) for form, part in zip(forms, address.packed, strict=True))
    if host == str(address):
        return
    with pytest.raises(BadUrl):
        POLICY.check_url(f"http://{host}/")


@given(
    st.text(max_size=80), st.sampled_from(["{}", "http://{}", "https://{}/", "http://example.com/{}", "http://[{}]/"])
)
def test_any_text_is_read_or_refused(text: str, form: str) -> None:
    """Never another error; and what was read is plain ASCII that reads the same again."""
    try:
        url = parse_url(form.format(text))
    except BadUrl:
        return
    assert str(url).isascii()
    assert str(url).isprintable()
    assert parse_url(str(url)) == url


@given(st.text(string.printable, max_size=60))
def test_a_redirect_leads_to_a_url_or_nowhere(location: str) -> None:
    """Whatever a server writes."""
    try:
        url = parse_url("https://example.com/a/b?c").join(location)
    except BadUrl:
        return
    assert parse_url(str(url)) == url


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/x", "https://example.com/x"), ("x?y", "https://example.com/a/x?y"), ("../../x", "https://example.com/x"),
        ("//other.example/x", "https://other.example/x"), ("?z", "https://example.com/a/b?z"), ("#z", "https://example.com/a/b?c"),
        ("http://other.example", "http://other.example/"), ("/a b", "https://example.com/a%20b"),
    ],
)  # fmt: skip
def test_a_redirect_is_resolved_as_browsers_do(location: str, leads_to: str) -> None:
    """Relative to where it came from (RFC 3986, section 5)."""
    assert str(parse_url("https://example.com/a/b?c").join(location)) == leads_to


@pytest.mark.parametrize("port", [1, 22, 25, 6379, 8080, 65_535])
def test_other_ports_are_for_other_services(port: int) -> None:
    """80 and 443, unless the operator says otherwise."""
    with pytest.raises(RefusedUrl, match=f"port {port}"):
        POLICY.check_url(f"http://example.com:{port}/")
    assert WebPolicy(ports=(port,)).check_url(f"http://example.com:{port}/").port == port


@pytest.mark.parametrize(
    ("entry", "allowed", "refused"),
    [
        ("wiki", "http://wiki/", "http://wiki2/"),
        ("wiki:8080", "http://wiki:8080/", "http://wiki/"),
        (".corp", "http://a.b.corp/", "http://corp/"),
        ("*.corp", "http://a.corp/", "http://acorp/"),
        ("10.2.0.0/16", "http://10.2.255.255/", "http://10.3.0.0/"),
        ("10.2.0.1", "http://10.2.0.1/", "http://10.2.0.2/"),
        ("127.0.0.1:9000", "http://127.0.0.1:9000/", "http://127.0.0.1/"),
        ("127.0.0.1:9000", "http://[::ffff:127.0.0.1]:9000/", "http://127.0.0.2:9000/"),
        ("fd00::/16", "http://[fd00::5]/", "http://[fd01::5]/"),
        ("[fd00::5]:9000", "http://[fd00::5]:9000/", "http://[fd00::5]/"),
        ("10.0.0.0/8:8443", "https://10.9.9.9:8443/", "https://10.9.9.9/"),
    ],
)
def test_an_operator_may_allow_hosts_and_networks(entry: str, allowed: str, refused: str) -> None:
    """By name, address or network, at the usual ports or at the one that is named; and nothing beside them."""
    policy = allowing(entry)

    assert policy.check_url(allowed)
    with pytest.raises(RefusedUrl):
        policy.check_url(refused)


def test_an_allowed_name_opens_private_networks_only() -> None:
    """Whoever can change its DNS entry must not get at the metadata of a cloud."""
    policy = allowing("wiki.corp.example")

    policy.check_address("wiki.corp.example", IPv4Address("10.0.0.5"), 80)
    for address in ("169.254.169.254", "0.0.0.0", "224.0.0.1", "100.100.100.200"):
        with pytest.raises(RefusedUrl, match="not public"):
            policy.check_address("wiki.corp.example", IPv4Address(address), 80)
    with pytest.raises(RefusedUrl, match="not public"):
        policy.check_address("other.example", IPv4Address("10.0.0.5"), 80)
    allowing("169.254.169.254").check_address("other.example", IPv4Address("169.254.169.254"), 80)


def test_a_port_of_one_host_is_not_opened_for_others() -> None:
    """A URL may have the port, yet another host behind it may not."""
    policy = allowing("wiki:8080")

    policy.check_url("http://example.com:8080/")
    with pytest.raises(RefusedUrl, match="port 8080"):
        policy.check_address("example.com", IPv4Address("8.8.8.8"), 8080)


@pytest.mark.parametrize(
    "text", ["", "a b", "10.0.0.1/8", "a/b", "wiki:0", "wiki:99999", "wiki:x", "http://wiki", "*", "."]
)
def test_an_entry_that_means_nothing_is_refused(text: str) -> None:
    """At the start, with a sentence."""
    with pytest.raises(ValueError, match="write a"):
        read_entry(text)
