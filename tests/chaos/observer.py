"""All replies of a campaign, as they come; nothing is lost by a broker that goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any

import aio_pika
import orjson
from aio_pika.exceptions import AMQPException

from callmq_contracts.address import parse_addresses
from callmq_contracts.names import Names

NAMES = Names()
WATCH = "watch"
TROUBLE = (AMQPException, OSError, TimeoutError, RuntimeError)
EVERY = 64


async def connect(url: str) -> Any:
    """Connect to the first host that answers, with a heartbeat that ends soon what nobody ended."""
    *others, last = (address.url for address in parse_addresses(url))
    for other in others:
        with contextlib.suppress(*TROUBLE):
            async with asyncio.timeout(4):
                return await aio_pika.connect(f"{other}?heartbeat=6")
    return await aio_pika.connect(f"{last}?heartbeat=6", timeout=10)


class Observer:
    """Takes what no queue took from the reply exchange: by a policy, so that not even a new exchange loses one."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.replies: list[tuple[float, str | None, bytes]] = []
        self.answered: set[str | None] = set()
        self._pending: Any = None

    async def prepare(self, administration: Any, vhost: str) -> None:
        definition = {"alternate-exchange": WATCH}
        policy = {"pattern": "^callmq\\.replies$", "definition": definition, "apply-to": "exchanges"}
        administration.call("PUT", f"/api/policies/{vhost}/{WATCH}", policy)
        async with await connect(self.url) as connection, connection.channel() as channel:
            exchange = await channel.declare_exchange(WATCH, "fanout", durable=True)
            queue = await channel.declare_queue(WATCH, durable=True, arguments={"x-queue-type": "quorum"})
            await queue.bind(exchange)

    async def listen(self) -> None:
        """Listen until cancelled; connect again whenever the connection is lost."""
        while True:
            try:
                await self._listen()
            except TROUBLE:
                pass
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
            await asyncio.sleep(0.3)

    async def _listen(self) -> None:
        connection = await connect(self.url)
        try:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=8 * EVERY)
            queue = await channel.get_queue(WATCH)
            self._pending = None
            await queue.consume(self._take)
            while not connection.is_closed and not channel.is_closed:
                await asyncio.sleep(0.2)
                if self._pending is not None:
                    await self._acknowledge()
        finally:
            with contextlib.suppress(*TROUBLE, asyncio.CancelledError):
                async with asyncio.timeout(5):
                    await connection.close()

    async def _take(self, message: Any) -> None:
        self.replies.append((time.time(), message.correlation_id, message.body))
        self.answered.add(message.correlation_id)
        self._pending = message
        if len(self.replies) % EVERY == 0:
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        message, self._pending = self._pending, None
        if message is not None:
            await message.ack(multiple=True)

    def documents(self) -> Iterable[tuple[float, str | None, dict[str, Any]]]:
        for at, name, body in self.replies:
            yield at, name, orjson.loads(body)
