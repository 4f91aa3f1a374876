"""Connections to RabbitMQ: a host list, time-outs around everything, no recovery behind our back."""

import asyncio
import datetime as dt
import ssl
import struct
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aio_pika
import pamqp.decode
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError
from pamqp.commands import Basic
from yarl import URL

from callmq_contracts.envelope import Properties
from callmq_worker.ports import BrokerAwayError

HEARTBEAT: Final = 12
RPC_TIMEOUT: Final = 10.0
CONNECT_TIMEOUT: Final = 10.0
# What aio-pika raises when the broker refuses, goes away, or a channel or connection is no longer usable.
TROUBLE: Final = (AMQPError, OSError, TimeoutError, RuntimeError, ssl.SSLError)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where the broker is: one URL a cluster node, tried in turn. Never printed with its password."""

    urls: tuple[str, ...]

    def masked(self) -> str:
        """Return the addresses without credentials."""
        return ", ".join(
            f"{u.scheme}://{u.host}:{u.port or (5671 if u.scheme == 'amqps' else 5672)}{u.path}"
            for u in map(URL, self.urls)
        )


async def connect(hosts: Hosts, name: str) -> AbstractConnection:
    """Connect to the first host that answers. Raises `BrokerAwayError` with each host's reason."""
    reasons = []
    for url in hosts.urls:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                return await aio_pika.connect(
                    str(URL(url).update_query(heartbeat=HEARTBEAT)),
                    client_properties={"connection_name": name},
                )
        except asyncio.CancelledError:
            if _cancelled():
                raise
            reasons.append(f"{Hosts((url,)).masked()}: connection lost")
        except TROUBLE as error:
            reasons.append(f"{Hosts((url,)).masked()}: {reason_of(error)}")
    raise BrokerAwayError("; ".join(reasons))


async def bounded(call: Awaitable[T], seconds: float = RPC_TIMEOUT) -> T:
    """Await a broker call for a bounded time. Raises `BrokerAwayError` for whatever it ends with but success."""
    try:
        async with asyncio.timeout(seconds):
            return await call
    except asyncio.CancelledError as error:
        if _cancelled():
            raise
        raise BrokerAwayError("connection lost") from error  # aiormq cancels its waiters when a connection dies
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


def properties_of(routing_key: str | None, told: Basic.Properties) -> Properties:
    """Return what surrounds a message's body."""
    timestamp = told.timestamp
    return Properties(
        routing_key=routing_key or "",
        content_type=told.content_type,
        content_encoding=told.content_encoding,
        message_id=told.message_id,
        correlation_id=told.correlation_id,
        reply_to=told.reply_to,
        app_id=told.app_id,
        user_id=told.user_id,
        expiration=_seconds(told.expiration) if told.expiration else None,
        timestamp=timestamp.timestamp() if isinstance(timestamp, dt.datetime) else None,
        headers=told.headers or {},
    )


def _seconds(milliseconds: str) -> float | str:
    try:
        return float(milliseconds) / 1000
    except ValueError:
        return milliseconds  # what it is not is the contract's business


def _lenient_timestamp(value: bytes) -> tuple[int, Any]:
    """Decode an AMQP timestamp; one that no calendar has is absent, instead of ending the whole connection."""
    (count,) = struct.unpack(">Q", value[0:8])
    seconds = count / 1000 if count > 0xFFFFFFFF else count  # noqa: PLR2004 - beyond 2106 it can only be milliseconds
    try:
        return 8, dt.datetime.fromtimestamp(seconds, tz=dt.UTC)
    except (ValueError, OverflowError, OSError):
        return 8, None


# One message with such a timestamp would otherwise close the connection of every worker that is handed it.
pamqp.decode.METHODS["timestamp"] = _lenient_timestamp
pamqp.decode.TABLE_MAPPING[b"T"] = _lenient_timestamp
