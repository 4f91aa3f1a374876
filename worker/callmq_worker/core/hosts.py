"""Hosts that may be named: how one is written, and whether a list of them has it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

HTTPS: Final = 443
_HIGHEST_PORT: Final = 65535
_LONGEST: Final = 253
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+\Z")
_ENTRY: Final = re.compile(r"(?P<wild>\*\.)?(?P<name>[^*:]+)(?::(?P<port>[0-9]{1,5}))?\Z")
# Where the last part is a number, in any base, every reader of URLs takes the whole for an IPv4 address.
_NUMERIC: Final = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)\Z")


@dataclass(frozen=True, slots=True)
class Hosts:
    """A list of hosts with their ports: those of ``exact``, and every name that ends like one of ``below``."""

    exact: frozenset[tuple[str, int]] = frozenset()
    below: tuple[tuple[str, int], ...] = ()

    def have(self, host: str, port: int = HTTPS) -> bool:
        """Say whether a host, in any case of its letters, is among them at this port."""
        host = host.lower()
        if (host, port) in self.exact:
            return True
        return any(port == its and host.endswith(end) and is_name(host) for end, its in self.below)


def is_name(text: str) -> bool:
    """Say whether it is a name of at least two labels in small ASCII letters, and no number in disguise."""
    return len(text) <= _LONGEST and _NAME.match(text) is not None and not is_address(text)


def is_address(text: str) -> bool:
    """Say whether readers of URLs take it for an IP address, however it is written."""
    return text.startswith("[") or _NUMERIC.match(text.removesuffix(".").rpartition(".")[2]) is not None


def parse_hosts(entries: Iterable[str], *, ports: bool = True) -> Hosts:
    """Read ``example.com``, ``*.example.com`` (all below it, not itself) and, with ``ports``, ``example.com:8443``.

    Raises `ValueError` with the rule that is broken, without the value.
    """
    exact, below = set(), set()
    for entry in entries:
        match = _ENTRY.match(entry.lower())
        if match is None or not is_name(match["name"]):
            raise ValueError("must be names such as example.com or *.example.com, in ASCII (xn--…), no IP addresses")
        if match["port"] and not (ports and 0 < int(match["port"]) <= _HIGHEST_PORT):
            raise ValueError("must have a port from 1 to 65535" if ports else "must have no port")
        port = int(match["port"] or HTTPS)
        if match["wild"]:
            below.add((f".{match['name']}", port))
        else:
            exact.add((match["name"], port))
    return Hosts(frozenset(exact), tuple(sorted(below)))
