"""Where the client connects: the hosts of the broker's URL, each with the heartbeat that notices a dead peer."""

import re
from dataclasses import replace
from typing import Final

from callmq.errors import InvalidUrlError
from callmq_contracts import address
from callmq_contracts.address import Address

__all__ = ["HEARTBEAT_SECONDS", "Address", "parse_addresses"]

HEARTBEAT_SECONDS: Final = 10  # a dead peer is noticed after 3 * (10 + 1) s
_HEARTBEAT: Final = re.compile(r"[?&]heartbeat=")


def parse_addresses(url: str) -> tuple[Address, ...]:
    """Return every host that the URL names, in its order.

    The query is aio-pika's own (``cafile``, ``certfile``, ``keyfile``, ``heartbeat``, ...). Raises `InvalidUrlError`.
    """
    try:
        return tuple(replace(each, url=_with_heartbeat(each.url)) for each in address.parse_addresses(url))
    except ValueError as error:
        raise InvalidUrlError(str(error)) from error


def _with_heartbeat(url: str) -> str:
    if _HEARTBEAT.search(url):
        return url
    return f"{url}{'&' if '?' in url else '?'}heartbeat={HEARTBEAT_SECONDS}"
