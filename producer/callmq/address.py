"""Where the broker is: one URL, or a cluster's hosts in one URL, or several URLs, separated by commas."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from callmq.errors import InvalidUrlError

HEARTBEAT_SECONDS: Final = 10  # a dead peer is noticed after 3 * (10 + 1) s
_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_HIGHEST_PORT: Final = 65535
_BETWEEN_URLS: Final = re.compile(r"\s*,\s*(?=amqps?://)")
_URL: Final = re.compile(
    r"^(?P<scheme>amqps?)://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]+)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?\Z"
)
_HOST: Final = re.compile(r"^(?P<name>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """One host. ``url`` carries the password, so it is kept out of ``repr``; ``place`` (host:port) may be shown."""

    place: str
    host: str
    port: int
    vhost: str
    url: str = field(repr=False)


def parse_addresses(url: str) -> tuple[Address, ...]:
    """Return every host that the URL names, in its order.

    The query is aio-pika's own (``cafile``, ``certfile``, ``keyfile``, ``heartbeat``, ...). Raises `InvalidUrlError`.
    """
    addresses = tuple(address for one in _BETWEEN_URLS.split(url.strip()) for address in _parse_one(one))
    if len({address.vhost for address in addresses}) > 1:
        raise InvalidUrlError("The broker URLs name different vhosts: they must be one cluster's hosts.")
    return addresses


def _parse_one(url: str) -> list[Address]:
    found = _URL.match(url)
    if found is None:
        raise InvalidUrlError(
            "The broker URL must be amqp://user:password@host:port/vhost (or amqps://), several hosts separated by "
            "commas; the characters / ? # @ in a user name or password must be percent-encoded."
        )
    scheme, user = found["scheme"], found["user"]
    path, query = found["path"] or "/", found["query"] or ""
    if not re.search(r"(^|&)heartbeat=", query):
        query = f"{query}&heartbeat={HEARTBEAT_SECONDS}" if query else f"heartbeat={HEARTBEAT_SECONDS}"
    addresses = []
    for one in found["hosts"].split(","):
        host = _HOST.match(one.strip())
        port = int(host["port"] or _PORTS[scheme]) if host else 0
        if host is None or not 0 < port <= _HIGHEST_PORT:
            raise InvalidUrlError("A host of the broker URL is not 'name' or 'name:port' with a port of 1 to 65535.")
        place = f"{host['name']}:{port}"
        full = f"{scheme}://{user + '@' if user is not None else ''}{place}{path}?{query}"
        addresses.append(Address(place, host["name"].strip("[]"), port, unquote(path[1:]) or "/", full))
    return addresses
