"""Connections to RabbitMQ: a host list, time-outs around everything, no recovery behind our back."""

import asyncio
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aio_pika
from aio_pika.abc import TimeoutType
from aiormq.exceptions import AMQPError
from yarl import URL

from callmq_worker.adapters.inlet import Inlet, Inlets
from callmq_worker.ports import BrokerAwayError, NoAnswerError

HEARTBEAT: Final = 5  # a peer that says nothing is given up after 3 * (5 + 1) s
RPC_TIMEOUT: Final = 10.0
CONNECT_TIMEOUT: Final = 10.0
NEXT_HOST_TIMEOUT: Final = 3.0  # while there is another host to try
# What aio-pika raises when the broker refuses, goes away, or a channel or connection is no longer usable.
TROUBLE: Final = (AMQPError, OSError, TimeoutError, RuntimeError, ssl.SSLError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where the broker is: one URL a cluster node, tried in turn. Never printed with its password."""

    urls: tuple[str, ...]

    def starting_with(self, url: str) -> "Hosts":
        """Return the same hosts with this one first."""
        return Hosts((url, *(other for other in self.urls if other != url)))

    def ending_with(self, url: str) -> "Hosts":
        """Return the same hosts with this one last."""
        return Hosts((*(other for other in self.urls if other != url), url))

    def masked(self) -> str:
        """Return the addresses without credentials."""
        return ", ".join(
            f"{u.scheme}://{u.host}:{u.port or (5671 if u.scheme == 'amqps' else 5672)}{u.path}"
            for u in map(URL, self.urls)
        )


class Connection(aio_pika.Connection):
    """A connection of the library whose frames come through our inlet."""

    def __init__(self, url: URL, **kwargs: Any) -> None:
        super().__init__(url, **kwargs)
        self._inlets = self.kwargs["transport_factory"] = Inlets()
        self.host = ""  # of the URLs that it could have been made to, the one that it was

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109 (the library's)
        """Connect, or be closed: the library's finalizer leaves a coroutine behind where the loop has ended."""
        try:
            await super().connect(timeout)
        except BaseException:
            await self.close()
            raise

    @property
    def inlet(self) -> Inlet:
        """Where its frames come in. Only once it is connected."""
        return self._inlets.inlet


async def connect(hosts: Hosts, name: str) -> Connection:
    """Connect to the first host that answers. Raises `BrokerAwayError` with each host's reason."""
    reasons = []
    for url in hosts.urls:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT if url == hosts.urls[-1] else NEXT_HOST_TIMEOUT):
                connection = await aio_pika.connect(
                    str(URL(url).update_query(heartbeat=HEARTBEAT)),
                    client_properties={"connection_name": name},
                    connection_class=Connection,
                )
        except asyncio.CancelledError:
            if _cancelled():
                raise
            reasons.append(f"{Hosts((url,)).masked()}: connection lost")
        except TROUBLE as error:
            reasons.append(f"{Hosts((url,)).masked()}: {reason_of(error)}")
        else:
            connection.host = url
            return connection
    raise BrokerAwayError("; ".join(reasons))


async def bounded(call: Awaitable[T], seconds: float = RPC_TIMEOUT) -> T:
    """Await a broker call for a bounded time.

    Raises `BrokerAwayError` for whatever it ends with but success, `NoAnswerError` where the time is over.
    """
    try:
        async with asyncio.timeout(seconds):
            return await call
    except asyncio.CancelledError as error:
        if _cancelled():
            raise
        raise BrokerAwayError("connection lost") from error  # aiormq cancels its waiters when a connection dies
    except TimeoutError as error:
        raise NoAnswerError(reason_of(error)) from error
    except TROUBLE as error:
        raise BrokerAwayError(reason_of(error)) from error


def reason_of(error: BaseException) -> str:
    """Return one line about a broker's error, without credentials."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aio_pika.exceptions.ProbableAuthenticationError | aio_pika.exceptions.AuthenticationError):
        return "user or password refused"
    text = str(error).split("\n", 1)[0][:300]
    return f"{type(error).__name__}: {text}" if text and "://" not in text else type(error).__name__


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
