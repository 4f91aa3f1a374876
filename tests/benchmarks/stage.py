"""One vhost with what a contender needs, all quorum queues: a work queue, and a bound sink for its replies."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self
from uuid import uuid4

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage

from benchmarks.envelopes import QUEUE, Envelope

SINK, EXCHANGE, CALLMQ_REPLIES = "bench.sink", "bench.replies", "callmq.replies"
QUORUM = {"x-queue-type": "quorum"}
WINDOW, PREFETCH = 512, 1000
SUCCEEDED = ".succeeded"
PATIENCE = 30.0


@dataclass
class Heard:
    """What the sink held: the key of each reply, and how many do not say succeeded."""

    keys: list[str] = field(default_factory=list)
    other: int = 0

    def take(self, message: DeliveredMessage) -> None:
        self.keys.append(message.header.properties.correlation_id or "")
        self.other += not (message.routing_key or "").endswith(SUCCEEDED)


class Stage:
    """The queues of one vhost, over one connection."""

    def __init__(self, url: str, channel: AbstractChannel, queues: tuple[str, ...]) -> None:
        self.url = url
        self.queues = queues
        self._channel = channel
        self._published = 0

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, queues: tuple[str, ...], arguments: dict[str, object]) -> AsyncIterator[Self]:
        """Lend it: the work queue is declared where it is ``bench.work``; callmq's own must be there already."""
        connection = await aiormq.connect(url)
        try:
            channel = await connection.channel()
            exchange = EXCHANGE if QUEUE in queues else CALLMQ_REPLIES
            if QUEUE in queues:
                await channel.queue_declare(QUEUE, durable=True, arguments={**QUORUM, **arguments})
                await channel.exchange_declare(EXCHANGE, exchange_type="topic", durable=True)
            await channel.queue_declare(SINK, durable=True, arguments=dict(QUORUM))
            await channel.queue_bind(SINK, exchange, routing_key="#")
            yield cls(url, channel, queues)
        finally:
            await connection.close()

    async def publish(self, envelope: Envelope, key: str) -> None:
        """Publish one command, confirmed."""
        self._published += 1
        exchange, routing_key, body, properties = envelope(key, self._published)
        await self._channel.basic_publish(
            body, exchange=exchange, routing_key=routing_key, properties=properties, mandatory=True, wait=False
        )

    async def fill(self, envelope: Envelope, count: int) -> list[str]:
        """Publish so many commands, all confirmed; return their keys."""
        keys = [uuid4().hex for _ in range(count)]
        for start in range(0, count, WINDOW):
            await asyncio.gather(*(self.publish(envelope, key) for key in keys[start : start + WINDOW]))
        return keys

    async def replies(self) -> int:
        """Count the replies in the sink."""
        return await self._depth(SINK)

    async def waiting(self) -> int:
        """Count the commands that wait in the work queues."""
        return sum([await self._depth(queue) for queue in self.queues])

    async def _depth(self, queue: str) -> int:
        return (await self._channel.queue_declare(queue, passive=True)).message_count or 0

    async def drain(self) -> Heard:
        """Take all replies out of the sink."""
        heard, wanted = Heard(), await self.replies()
        complete = asyncio.Event()
        if not wanted:
            return heard

        async def take(message: DeliveredMessage) -> None:
            heard.take(message)
            if len(heard.keys) >= wanted:
                complete.set()

        consumer = await self._channel.basic_consume(SINK, take, no_ack=True)
        async with asyncio.timeout(PATIENCE + wanted / 500):
            await complete.wait()
        await self._channel.basic_cancel(consumer.consumer_tag or "")
        return heard

    async def hear(self, take: Callable[[str, float], None]) -> None:
        """Hand over the key of each reply from now on, and when it came."""

        async def taken(message: DeliveredMessage) -> None:
            take(message.header.properties.correlation_id or "", time.perf_counter())

        await self._channel.basic_consume(SINK, taken, no_ack=True)
