"""What a text reaches: numbers by prefix, SIP addresses by host, URLs by host, and every trick to hide one."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmq_worker.core.hosts import parse_hosts
from callmq_worker.core.reach import Numbers, address_fault, fetched_fault, url_fault

HOSTS = parse_hosts(["example.com", "*.example.org", "example.net:8443"])
SIP_HOSTS = parse_hosts(["sip.example.com"], ports=False)
NUMBERS = Numbers(frozenset({"+1", "+49", "+190055501"}), frozenset({"+1900", "+49"}))


def broken(fault: str | None) -> str | None:
    """Return the setting that a fault names."""
    return fault and fault.partition(":")[0]


# Numbers


@pytest.mark.parametrize(
    ("number", "rule"),
    [
        ("+15550100", None),
        ("+19005550200", "denied_prefixes"),
        ("+19005550100", None),  # a longer one allows it again
        ("+4930123456", "denied_prefixes"),  # of the same length, the denied one counts
        ("+33123456789", "allowed_prefixes"),
        ("+19", None),
    ],
)
def test_the_longest_prefix_counts(number, rule):
    assert broken(NUMBERS.fault(number)) == rule


def test_where_nothing_is_listed_as_allowed_all_is_that_is_not_denied():
    only_denied = Numbers(None, frozenset({"+1900"}))
    assert only_denied.fault("+33123456789") is None
    assert broken(only_denied.fault("+19005550100")) == "denied_prefixes"
    assert broken(Numbers(frozenset()).fault("+15550100")) == "allowed_prefixes"


prefixes = st.frozensets(st.from_regex(r"\+[12][0-3]{0,3}\Z"), max_size=6)


@given(st.none() | prefixes, prefixes, st.from_regex(r"\+[1-3][0-4]{1,6}\Z"))
def test_prefixes_mean_what_a_search_of_all_of_them_finds(allowed, denied, number):
    fits = [(len(p), p in denied) for p in (allowed or frozenset()) | denied if number.startswith(p)]
    refused = max(fits)[1] if fits else allowed is not None
    assert (Numbers(allowed, denied).fault(number) is not None) == refused


# Addresses


@pytest.mark.parametrize(
    "text",
    [
        "+15550100", "sip:alice@pbx.example", "sips:101@pbx.example:5061;transport=tls", "sip:+15550100@pbx.example",
        "sip:%2B15550100@pbx.example", "verto:bob@example.com", "client:alice", "/public/sales", "/public/sales?x=1",
        "sip:3fa85f64-5717-4562-b3fc-2c963f66afa6@pbx.example", "https://example.com/x", "http://example.com", "main",
    ],
)  # fmt: skip
def test_who_may_be_called(text):
    assert address_fault(text, None, NUMBERS) is None


@pytest.mark.parametrize(
    "text",
    [
        "+19005550200", "sip:+19005550200@pbx.example", "sips:%2b19005550200@pbx.example", "client:+19005550200",
        "verto:+19005550200@x", "/public/+19005550200",
    ],
)  # fmt: skip
def test_a_number_is_judged_wherever_it_hides(text):
    assert broken(address_fault(text, None, NUMBERS)) == "denied_prefixes"


@pytest.mark.parametrize(
    "text",
    [
        "19005550200", "0019005550200", "+1 900 555 0200", "+1(900)5550200", "+1900555020012345", "+0900", " +15550100",
        "+15550100\n",
        "tel:+15550100", "tel:+19005550200", "${number}", "%{vars.number}", "+1900${x}", "\uff0b15550100",
        "+1555010\u0660", "sip:19005550200@pbx.example", "sip:1-900-555-0200@pbx.example", "sip:19005550200",
        "sip:+1900.555.0200@pbx.example", "sip:+19005550200;ext=1@pbx.example", "sip:+19005550200:pw@pbx.example",
        "sip:a@b@pbx.example", "sip:${x}", "client:19005550200", "verto:00 1900", "/public/19005550200", "", "+", "a b",
        '{"sections":{}}', "version: 1.0.0\nsections:",
    ],
)  # fmt: skip
def test_what_can_not_be_told_is_not_called(text):
    assert address_fault(text, None, NUMBERS) is not None


@pytest.mark.parametrize(
    "text", ["sip:alice@sip.example.com", "sips:SIP.example.com:5061;transport=tls", "+19005550200"]
)
def test_sip_hosts_are_judged_by_themselves(text):
    assert address_fault(text, SIP_HOSTS, None) is None


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@evil.example", "sip:alice@sip.example.com.evil.example", "sip:sip.example.com@evil.example",
        "sip:alice@sip.example.com;maddr=evil.example", "sip:alice@sip.example.com; MADDR=203.0.113.9",
        "sip:alice@sip.example.com;%6daddr=evil.example", "sip:alice@sip.example.com?Route=%3Csip:evil.example%3E",
        "sip:alice@sip.example.com;x@evil.example", "sip:alice@203.0.113.9", "sip:alice@[2001:db8::1]",
        "sip:alice@sip.example.com\\@evil.example", "sip:alice@${host}",
    ],
)  # fmt: skip
def test_a_sip_address_elsewhere_or_by_a_detour_is_not_called(text):
    assert broken(address_fault(text, SIP_HOSTS, None)) == "allowed_sip_hosts"


# URLs


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com", "https://example.com/", "https://EXAMPLE.com/a?b=c#d", "HTTPS://example.com:443/{name}",
        "wss://a.example.org/socket", "https://example.net:8443/", "https://example.com?x=https://evil.example/",
        "https://example.com/@evil.example/", "https://a.b.example.org/${x}",
    ],
)  # fmt: skip
def test_listed_hosts_are_fetched(text):
    assert url_fault(text, HOSTS) is None
    assert fetched_fault("url", text) is None


TRICKS = [
    "http://example.com/", "ws://example.com/", "ftp://example.com/", "file:///etc/passwd", "https:/example.com/",
    "https:example.com", "//example.com/", "\\\\example.com\\", "/\\evil.example", "https:\\\\example.com/",
    "https://user@example.com/", "https://user:pw@example.com/", "https://example.com@evil.example/",
    "https://example.com:443@evil.example/", "https://example.com\\@evil.example/", "https://evil.example\\.example.com",
    "https://example.com%2eevil.example/", "https://example.com%00.evil.example/", "https://evil.example#.example.com",
    "https://evil.example?.example.com", "https://evil.example/.example.org", "https://example.com.evil.example/",
    "https://xexample.org/", "https://example.org/", "https://example.com./", "https://example.com:80/",
    "https://example.com:8443/", "https://example.net/", "https://example.com:/", "https://example.com:0443x/",
    "https://example.com:99999/", "https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/",
    "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
    "https://\u0435xample.com/", "https://example\u3002com/", "https://ex\u00e4mple.org/", "https://\uff45xample.com/",
    "https://example.com\u2215.evil.example/", "https://${host}/", "https://{host}.example.org/", "https:///example.com",
    "ht\ttps://example.com/", "https://exam\nple.com/", " https://evil.example/", "\x01https://evil.example/", "https://",
    "https://localhost/", "gopher://example.com/", "https://example.com;evil.example/", "https://example.com,evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("text", TRICKS)
def test_no_trick_gets_elsewhere(text):
    assert broken(url_fault(text, HOSTS)) == "allowed_url_hosts"


@pytest.mark.parametrize("text", ["https://127.0.0.1/", "https://0x7f.1/", "https://2130706433:443/"])
def test_an_address_is_told_from_a_name(text):
    assert "IP address" in url_fault(text, HOSTS)


words = st.sampled_from([
    "https:", "//", "/", "\\", "@", ":", "example.com", "evil.example", "a.example.org", "127.0.0.1", ".", "#",
    "?", "443", "8443", "%2e", "%40", "[", "]", "\t", " ", "\u3002", "xn--", "a", ";", "HTTPS://", "wss://", "\n",
])  # fmt: skip


begins = st.sampled_from(["https://example.com", "https://a.example.org", "https://example.net:8443", "https://", ""])


@settings(max_examples=1000)
@given(st.builds("{}{}".format, begins, st.lists(words, max_size=6).map("".join) | st.text(max_size=20)))
def test_whatever_is_let_through_is_a_listed_host_to_every_reader(text):
    if fetched_fault("url", text) is not None or url_fault(text, HOSTS) is not None or text[:4].lower() != "http":
        return
    parts, url = urlsplit(text), httpx.URL(text)
    for host, port in ((parts.hostname, parts.port), (url.host, url.port)):
        assert (host, port or 443) in {("example.com", 443), ("example.net", 8443)} or host.endswith(".example.org")
    assert (parts.scheme, parts.username, url.scheme, url.userinfo) == ("https", None, "https", b"")


@pytest.mark.parametrize("text", ["Hello: how are you?", "en-US", "12:30", "silence:1", "say:Hi", "ring:us", "a/b", ""])
def test_what_is_no_url_is_left_alone(text):
    assert url_fault(text, HOSTS) is None


@pytest.mark.parametrize(
    "key", ["url", "web_hook_url", "urls", "uri", "webhook", "play", "dest", "to_script", "confirm"]
)
@pytest.mark.parametrize("text", ["${x}", "%{x}", "{{x}}", "evil.example/x", "\u00a0https://example.com/", "{}", "a b"])
def test_what_is_fetched_must_be_told_from_its_text(key, text):
    assert broken(fetched_fault(key, text)) == "allowed_url_hosts"


@pytest.mark.parametrize(
    ("key", "text"),
    [("play", "say:Hello"), ("urls", "silence:1.5"), ("dest", "+15550100"), ("dest", "main"),
     ("to_uri", "sip:a@b.example"), ("text", "${x}"), ("language", "a b"), ("dest", "/a/b"), ("dest", "client:a")],
)  # fmt: skip
def test_what_is_fetched_from_nowhere_is_left_alone(key, text):
    assert fetched_fault(key, text) is None


def test_rtp_goes_to_no_address_where_hosts_are_listed():
    assert broken(fetched_fault("addr", "203.0.113.9")) == "allowed_url_hosts"
