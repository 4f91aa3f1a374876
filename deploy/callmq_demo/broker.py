"""A broker to work with, from wherever one can be had."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from callmq_demo.administration import Administration
from callmq_demo.container import ContainerBroker, find_engine
from callmq_demo.faults import BrokerError
from callmq_demo.install import apt_prefix, install_rabbitmq
from callmq_demo.node import PrivateNode, find_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

__all__ = ["Broker", "BrokerError", "ContainerBroker", "GivenBroker", "PrivateNode", "find_broker"]

_NONE_TO_BE_HAD = (
    "No RabbitMQ could be had. Do one of these and try again: set CALLMQ_AMQP_URL to a broker of yours; install "
    "RabbitMQ 3.10 or newer (Debian, Ubuntu: apt-get install rabbitmq-server; elsewhere: rabbitmq.com/docs/download); "
    "start Docker or Podman; or run this as root, or with sudo that asks no password, on Debian or Ubuntu."
)


class Broker(Protocol):
    """Runs between ``with`` and its end; ``amqp_url`` is that of a vhost to work in."""

    @property
    def amqp_url(self) -> str:
        """Where it is, with user and password."""

    def describe(self) -> str:
        """Say for a person what this is; no password."""

    def __enter__(self) -> Self:
        """Start it, where it is ours to start."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End it, where it was ours to start."""


class GivenBroker:
    """Somebody else's broker: neither started nor ended. ``management_url`` is needed for vhosts only."""

    def __init__(self, amqp_url: str, management_url: str | None = None) -> None:
        self.amqp_url = amqp_url
        self._management_url = management_url

    def __enter__(self) -> Self:
        """Do nothing: it runs already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave it running."""

    @property
    def administration(self) -> Administration:
        """The HTTP API; BrokerError where its URL was not given."""
        if self._management_url is None:
            raise BrokerError("This broker's management URL was not given.")
        return Administration(self.amqp_url, self._management_url)

    def describe(self) -> str:
        """Say for a person what this is."""
        url = urlsplit(self.amqp_url)
        return f"the given RabbitMQ on {url.hostname}:{url.port or 5672}"

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """Lend the AMQP URL of a fresh vhost; it is deleted at the end."""
        with self.administration.vhost() as amqp_url:
            yield amqp_url

    def delete_vhost(self, amqp_url: str) -> None:
        """Delete the vhost of this URL with all in it, now."""
        self.administration.delete_vhost(amqp_url)


def find_broker() -> Broker:
    """Give the first that can be had, not yet started: the given one, an installed one, apt's, a container's.

    What is tried is said on standard error. BrokerError with what to do where none can be had.
    """
    given = os.environ.get("CALLMQ_AMQP_URL")
    if given:
        return GivenBroker(given)
    if find_server():
        return PrivateNode()
    if apt_prefix() is not None:
        try:
            return PrivateNode(server=install_rabbitmq())
        except BrokerError as failed:
            print(f"{failed}\nLooking for a container engine instead ...", file=sys.stderr)
    engine = find_engine()
    if engine:
        print(f"Starting RabbitMQ with {engine} ...", file=sys.stderr)
        return ContainerBroker(engine)
    raise BrokerError(_NONE_TO_BE_HAD)
