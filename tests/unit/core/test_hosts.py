"""Lists of hosts: what is in one, and what can't be put into one."""

from __future__ import annotations

import pytest

from callmq_worker.core.hosts import Hosts, is_address, is_name, parse_hosts

LIST = parse_hosts(["example.com", "*.example.org", "example.net:8443", "*.a-1.example.net"])


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("example.com", 443), ("EXAMPLE.com", 443), ("a.example.org", 443), ("A.b.Example.Org", 443),
        ("example.net", 8443), ("x.a-1.example.net", 443), ("xn--mnchen-3ya.example.org", 443),
    ],
)  # fmt: skip
def test_what_is_listed_is_there(host, port):
    assert LIST.have(host, port)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("a.example.com", 443), ("example.org", 443), (".example.org", 443), ("-.example.org", 443),
        ("a..example.org", 443), ("example.com.", 443), ("a.example.org.", 443), ("notexample.org", 443),
        ("example.com", 8443), ("example.net", 443), ("a.example.org", 8443), ("", 443), ("com", 443),
        ("example.com.evil.example", 443), ("ex\u0430mple.com", 443), ("\u212aexample.com", 443),
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not(host, port):
    assert not LIST.have(host, port)


def test_an_empty_list_has_nothing():
    assert not Hosts().have("example.com")


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "1",
        "a.1",
        "a.0x",
        "[::1]",
        "10.0.0.1.",
    ],
)
def test_an_address_is_known_in_every_spelling(text):
    assert is_address(text)
    assert not is_name(text)


@pytest.mark.parametrize("text", ["example.com", "1.example.com", "0x7f.example", "a-b.xn--p1ai", "_sip.example.com"])
def test_a_name_is_no_address(text):
    assert is_name(text)
    assert not is_address(text)


def test_a_port_may_be_forbidden():
    assert parse_hosts(["sip.example.com"], ports=False).have("sip.example.com")
    with pytest.raises(ValueError, match="no port"):
        parse_hosts(["sip.example.com:5060"], ports=False)
