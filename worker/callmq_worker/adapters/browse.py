"""Looks through a queue: its messages are held for a while, and what is not taken goes back in its old order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, cast

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from callmq_contracts.envelope import Properties
from callmq_worker.adapters.amqp import bounded
from callmq_worker.adapters.decoding import properties_of
from callmq_worker.ports import BrokerAwayError

MOST_HELD: Final = 65_535  # AMQP's largest prefetch
IDLE_SECONDS: Final = 0.25


class FoundMessage:
    """One message that is held back."""

    def __init__(self, message: AbstractIncomingMessage, position: int) -> None:
        self._message = message
        self.position = position
        self.body = message.body
        self.properties: Properties = properties_of(message.routing_key, message.properties)

    async def take(self) -> None:
        """Remove it. Raises `BrokerAwayError`."""
        await bounded(self._message.ack())


class QueueBrowsing:
    """One walk through one queue.

    All that lies in it is handed to one consumer: only what one consumer of a quorum queue held goes back in its old
    order when the channel ends; messages that were got one by one come back in any order, and so do halves of a queue.
    """

    def __init__(self, queue: AbstractQueue, depth: int) -> None:
        self._queue = queue
        self._buffer: deque[AbstractIncomingMessage] = deque()
        self._arrived = asyncio.Event()
        self.depth = depth

    async def start(self, channel: AbstractChannel) -> None:
        """Ask for everything. Raises `BrokerAwayError`."""
        if self.depth:
            await bounded(channel.set_qos(prefetch_count=min(self.depth, MOST_HELD), global_=False))
            await bounded(self._queue.consume(self._received, no_ack=False))

    async def _received(self, message: AbstractIncomingMessage) -> None:
        self._buffer.append(message)
        self._arrived.set()

    async def __aiter__(self) -> AsyncIterator[FoundMessage]:
        """Walk to what was the end at the opening: what arrives meanwhile is not looked at."""
        for position in range(1, self.depth + 1):
            message = await self._next()
            if message is None:
                return
            yield FoundMessage(message, position)

    async def _next(self) -> AbstractIncomingMessage | None:
        """Return the next message, None where somebody else has the rest."""
        empty = 0
        while not self._buffer:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), IDLE_SECONDS)
            except TimeoutError:
                # The broker's answer comes behind all that it handed over before; twice, and it is in the buffer too.
                message = await bounded(self._queue.get(no_ack=False, fail=False))
                if message is not None:
                    return message
                empty += 1
                if empty > 1 and not self._buffer:
                    return None
        return self._buffer.popleft()


class QueueShelf:
    """The queues of one connection."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def open(self, queue: str) -> AsyncIterator[QueueBrowsing]:
        """Open a queue on a channel of its own, whose end gives back what was not taken. Raises `BrokerAwayError`."""
        channel = await bounded(self._connection.channel(publisher_confirms=False))
        try:
            found, depth, _ = await look(channel, queue)
            browsing = QueueBrowsing(found, depth)
            await browsing.start(channel)
            yield browsing
        finally:
            if not channel.is_closed:
                await bounded(channel.close())


async def look(channel: AbstractChannel, queue: str) -> tuple[AbstractQueue, int, int]:
    """Return a queue, its waiting messages and its consumers. Raises `BrokerAwayError`, also where it is missing."""
    try:
        found = await bounded(channel.declare_queue(queue, passive=True))
    except BrokerAwayError as error:
        if isinstance(error.__cause__, ChannelNotFoundEntity):
            raise BrokerAwayError(f"there is no queue '{queue}': run 'callmq topology declare'") from error
        if isinstance(error.__cause__, ChannelAccessRefused):
            raise BrokerAwayError(f"this user may not read the queue '{queue}'") from error
        raise
    declared = found.declaration_result
    return found, declared.message_count or 0, declared.consumer_count or 0


def server_of(connection: AbstractConnection) -> tuple[str, str]:
    """Return the broker's product and version, as it said at the connect."""
    underlay = getattr(connection.transport, "connection", None)
    said = cast("dict[str, Any]", getattr(underlay, "server_properties", None) or {})
    return _text(said.get("product", "?")), _text(said.get("version", "?"))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
