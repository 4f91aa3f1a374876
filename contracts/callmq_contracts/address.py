"""Where the broker is: one URL, or a cluster's hosts in one URL, or several URLs, separated by commas."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

_PORTS: Final = {"amqp": 5672, "amqps": 5671}
_HIGHEST_PORT: Final = 65535
_BETWEEN_URLS: Final = re.compile(r"\s*,\s*(?=amqps?://)")
# Commas stand between hosts only, or in the password: there an @ follows. Elsewhere they are percent-encoded.
_URL: Final = re.compile(
    r"^(?P<scheme>amqps?)://(?:(?P<user>[^/?#]*)@)?(?P<hosts>[^/?#@]+)(?P<path>/[^?#,]*)?(?:\?(?P<query>[^#,]*))?\Z"
)
_HOST: Final = re.compile(r"^(?P<name>\[(?P<ip>[0-9A-Fa-f:.%]+)\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?\Z")
_UNFIT: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Address:
    """One host. ``url`` carries the password, so it is kept out of ``repr``; ``place`` (host:port) may be shown."""

    place: str
    host: str
    port: int
    vhost: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the URLs. ``tail``: path and query as written."""

    scheme: str
    user: str
    hosts: tuple[str, ...]
    tail: str


def parse_addresses(text: str) -> tuple[Address, ...]:
    """Return every host that the text names, in its order; a URL without vhost and query has those of the last one.

    Raises `ValueError`: the text says which rule is broken and quotes nothing of the URL.
    """
    parts = [_part(one) for one in _BETWEEN_URLS.split(text.strip())]
    last = parts[-1].tail
    addresses = tuple(_address(part, host, part.tail or last) for part in parts for host in part.hosts)
    if len({address.vhost for address in addresses}) > 1:
        raise ValueError("The broker URLs name different vhosts: they must be one cluster's hosts.")
    return addresses


def _part(url: str) -> _Part:
    found = _URL.match(url)
    if found is None or _UNFIT.search(url):
        raise ValueError(
            "The broker URL must be amqp://user:password@host:port/vhost (or amqps://), several hosts separated by "
            "commas; the characters / ? # @ in a user name or password, and commas in a vhost or after it, must be "
            "percent-encoded."
        )
    user = found["user"]
    if user is not None and "@" in user and "," in user:
        raise ValueError(
            "The broker URL can be read in two ways: percent-encode @ and commas in the password, and name user and "
            "password once, before the first host."
        )
    query = f"?{found['query']}" if found["query"] else ""
    hosts = tuple(host.strip() for host in found["hosts"].split(","))
    return _Part(found["scheme"], f"{user}@" if user is not None else "", hosts, (found["path"] or "") + query)


def _address(part: _Part, host: str, tail: str) -> Address:
    found = _HOST.match(host)
    port = int(found["port"] or _PORTS[part.scheme]) if found else 0
    if found is None or not 0 < port <= _HIGHEST_PORT or not (found["ip"] is None or _is_ip(found["ip"])):
        raise ValueError("A host of the broker URL is not 'name' or 'name:port' with a port of 1 to 65535.")
    path, mark, query = tail.partition("?")
    place = f"{found['name']}:{port}"
    url = f"{part.scheme}://{part.user}{place}{path or '/'}{mark}{query}"
    return Address(place, found["name"].strip("[]"), port, unquote(path[1:]) or "/", url)


def _is_ip(text: str) -> bool:
    try:
        return ipaddress.ip_address(text.replace("%25", "%")).version == 6  # noqa: PLR2004 - brackets are for IPv6
    except ValueError:
        return False
