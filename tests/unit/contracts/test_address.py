"""Where the broker is: what producers and workers read alike."""

from __future__ import annotations

import pytest
from yarl import URL

from callmq_contracts.address import parse_addresses

LAST = "amqps://u:p@b:5671/v?cafile=x"


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("amqp://h", ["amqp://h:5672/"]),
        ("amqp://u:p@a:1/v", ["amqp://u:p@a:1/v"]),
        ("amqp://u:p@a:1,b:2 , c/v", ["amqp://u:p@a:1/v", "amqp://u:p@b:2/v", "amqp://u:p@c:5672/v"]),
        ("amqps://u:p@a/v?cafile=x,amqps://w:q@b:1/v", ["amqps://u:p@a:5671/v?cafile=x", "amqps://w:q@b:1/v"]),
        ("amqps://u:p@a,b/v?cafile=x", ["amqps://u:p@a:5671/v?cafile=x", LAST]),
        ("amqps://u:p@a, amqps://u:p@b/v?cafile=x", ["amqps://u:p@a:5671/v?cafile=x", LAST]),
        ("amqp://u:p%2C%40@[::1]:5,[::2]/v", ["amqp://u:p%2C%40@[::1]:5/v", "amqp://u:p%2C%40@[::2]:5672/v"]),
        ("amqp://u:p,w@a,b/", ["amqp://u:p,w@a:5672/", "amqp://u:p,w@b:5672/"]),
        ("amqp://u:p@w@a/", ["amqp://u:p@w@a:5672/"]),
        ("amqp://u,amqp:p@a,amqp://u,amqp:p@b/", ["amqp://u,amqp:p@a:5672/", "amqp://u,amqp:p@b:5672/"]),
        ("amqp://u@h/a%2Cb%2F", ["amqp://u@h:5672/a%2Cb%2F"]),
        ("\n amqp://h/ \n", ["amqp://h:5672/"]),
    ],
)
def test_a_cluster_is_one_url_a_host(text: str, urls: list[str]) -> None:
    addresses = parse_addresses(text)
    assert [address.url for address in addresses] == urls
    for address in addresses:
        url = URL(address.url)  # as the client library reads it
        assert (url.host, url.port) == (address.host, address.port)


@pytest.mark.parametrize(
    "text",
    [
        "", ",", "http://h", "amqp://", "h:5672", "amqp://h:x", "amqp://a,http://b", "amqp://[::1", "amqp://a:99999,b",
        "amqp://a:٣", "amqp://[:::::]/", "amqp://[1.2.3.4]/", "amqp://a,/", "amqp://u:canary\x00@h/",
        "amqp://u:canary\udcff@h/", "amqp://u:can/ary@h/",
        "amqp://u:p@a/v,b", "amqp://u:p@a/v?cafile=x,b",  # once: a vhost or a file of that name
        "amqp://u:canary@a,u:canary@b/v",  # once: the password 'canary@a,u:canary'
        "amqp://a/v,amqp://b/w", "amqp://a/,amqp://b/w",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="broker URL") as caught:
        parse_addresses(text)
    assert "ary" not in str(caught.value)


def test_the_vhost_is_read_and_the_password_not_shown() -> None:
    address, _ = parse_addresses("amqp://u:canary@h,i/prod%2Feu")
    assert (address.place, address.vhost) == ("h:5672", "prod/eu")
    assert "canary" not in repr(address)
