"""What the demo does on the broker besides publishing: hear all replies, look what is left, leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
from operator import methodcaller
from time import monotonic
from typing import TYPE_CHECKING

import aio_pika
from aio_pika.exceptions import AMQPException

from callmq.errors import CallmqError
from callmq_contracts.names import DEFAULT_ACCOUNT, Names
from callmq_demo.evidence import Copy
from callmq_demo.keeper import NotReadyError
from callmq_worker.core.layout import dial_lanes, layout
from callmq_worker.core.retry import parse_tiers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

TIERS = "1s,5s,30s"
_MOST_DIAL_LANES = 16  # as a worker has it by default
_SECONDS = 15.0
_PAUSE = 0.1
_FAULTS = (AMQPException, OSError, TimeoutError)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[AbstractConnection]:
    """Lend a connection. Raises `NotReadyError` where the broker lets nobody in, and for its faults in the block."""
    try:
        connection = await aio_pika.connect(url, timeout=_SECONDS)
    except (*_FAULTS, ValueError) as error:
        why = f"({type(error).__name__}). Is it running, and are user, password and vhost in CALLMQ_AMQP_URL right?"
        raise NotReadyError(f"The broker could not be reached {why}") from error
    try:
        yield connection
    except (AMQPException, ConnectionError, CallmqError) as error:
        raise NotReadyError(f"The broker was lost, or refused something ({type(error).__name__}).") from error
    finally:
        with contextlib.suppress(*_FAULTS):
            await asyncio.wait_for(connection.close(), _SECONDS)


class Queues:
    """The queues of one prefix."""

    def __init__(self, connection: AbstractConnection, prefix: str) -> None:
        self._connection = connection
        self._names = Names(prefix)
        self._layout = layout(self._names, parse_tiers(TIERS))
        self._replies = ""
        self._caught_up = asyncio.Event()

    async def hear(self, take: Callable[[AbstractIncomingMessage], None]) -> None:
        """Hand over every reply from now on, repeats too; the exchange must be there."""
        channel = await self._connection.channel()
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        await queue.bind(self._names.replies, "#")
        self._replies = queue.name

        async def heard(message: AbstractIncomingMessage) -> None:
            if message.routing_key == self._replies:
                self._caught_up.set()
            else:
                take(message)

        await queue.consume(heard, no_ack=True)

    async def catch_up(self) -> None:
        """Return when all replies that the broker has by now were handed over: a queue keeps its order."""
        async with self._connection.channel() as channel:
            await channel.default_exchange.publish(aio_pika.Message(b""), self._replies)
        async with asyncio.timeout(_SECONDS):
            await self._caught_up.wait()

    async def dead(self) -> tuple[Copy, ...]:
        """Take all copies out of the dead letters."""
        return await self._taken(self._names.dead)

    async def parked(self) -> tuple[Copy, ...]:
        """Take all copies out of the queue of unknown outcomes."""
        return await self._taken(self._names.unknown)

    async def left(self, seconds: float = 5.0) -> dict[str, int]:
        """Count what lies in each lane and tier, once it is nothing, at the latest after so many seconds."""
        kept = {self._names.dead, self._names.unknown}
        names = [queue.name for queue in self._layout.queues if queue.name not in kept]
        until = monotonic() + seconds
        while True:
            counts = {name: await self._count(name) for name in names}
            if not any(counts.values()) or monotonic() > until:
                return counts
            await asyncio.sleep(_PAUSE)

    async def delete(self) -> None:
        """Delete every queue and exchange of the prefix; absent is fine."""
        waiting = dial_lanes(self._names, DEFAULT_ACCOUNT, _MOST_DIAL_LANES)
        for queue in (*self._layout.queues, *waiting.queues):
            await self._quietly(methodcaller("queue_delete", queue.name))
        for exchange in self._layout.exchanges:
            await self._quietly(methodcaller("exchange_delete", exchange.name))

    async def _quietly(self, act: Callable[[AbstractChannel], Awaitable[object]]) -> None:
        channel = await self._connection.channel()
        with contextlib.suppress(AMQPException):
            await act(channel)
        with contextlib.suppress(AMQPException):
            await channel.close()

    async def _count(self, name: str) -> int:
        async with self._connection.channel() as channel:
            queue = await channel.declare_queue(name, passive=True)
            return queue.declaration_result.message_count or 0

    async def _taken(self, name: str) -> tuple[Copy, ...]:
        copies = []
        async with self._connection.channel() as channel:
            queue = await channel.get_queue(name)
            while (message := await queue.get(no_ack=True, fail=False)) is not None:
                code = str(message.headers.get("callmq-code", ""))
                copies.append(Copy(message.correlation_id or "", message.routing_key or "", message.body, code))
        return tuple(copies)
