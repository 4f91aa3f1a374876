"""The exchanges and queues that a producer meets, and a worker reduced to its replies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from callmq_contracts.names import Names
from callmq_contracts.reply import OutcomeName, Reply, reply_id, routing_key

NAMES = Names()


@pytest.fixture
async def admin(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """Lend a channel of the test's own, beside the client's."""
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        yield channel


@pytest.fixture
async def commands(admin: AbstractChannel) -> AbstractQueue:
    """Declare the command and reply exchanges and one queue that takes every command."""
    exchange = await admin.declare_exchange(NAMES.commands, "topic", durable=True)
    await admin.declare_exchange(NAMES.replies, "topic", durable=True)
    queue = await admin.declare_queue("everything", durable=True, arguments={"x-queue-type": "quorum"})
    await queue.bind(exchange, "#")
    return queue


class Answerer:
    """Answers each command as a worker would: once per key, and the stored reply again for a repeat."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self.received: list[AbstractIncomingMessage] = []
        self.acted: list[str] = []
        self.outcomes: Callable[[str], list[OutcomeName]] = lambda _key: [OutcomeName.SUCCEEDED]
        self.copies = 1
        self.silent = asyncio.Event()
        self._stored: dict[str, list[bytes]] = {}

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        self.received.append(message)
        await message.ack()
        if self.silent.is_set():
            return
        for body in self._bodies(message) * self.copies:
            await self.publish(message, body)

    async def publish(self, message: AbstractIncomingMessage, body: bytes) -> None:
        copy = aio_pika.Message(body, correlation_id=message.correlation_id, type="callmq.reply.v1")
        key = routing_key(message.app_id, message.routing_key, "succeeded")
        exchange = await self.channel.get_exchange(NAMES.replies, ensure=False)
        await exchange.publish(copy, key, mandatory=False)
        if message.reply_to:
            await self.channel.default_exchange.publish(copy, message.reply_to, mandatory=False)

    def _bodies(self, message: AbstractIncomingMessage) -> list[bytes]:
        key = str(message.headers["idempotency-key"])
        if key not in self._stored:
            self.acted.append(key)
            outcomes = enumerate(self.outcomes(key))
            self._stored[key] = [_reply(message, key, outcome, at).dump() for at, outcome in outcomes]
        return self._stored[key]


def _reply(message: AbstractIncomingMessage, key: str, outcome: OutcomeName, sequence: int) -> Reply:
    return Reply(
        reply_id=reply_id("default", key, str(sequence)),
        idempotency_key=key,
        command=message.routing_key,
        outcome=outcome,
        received_at=0.0,
        finished_at=1.0,
    )


@pytest.fixture
async def answerer(amqp_url: str, commands: AbstractQueue) -> AsyncIterator[Answerer]:
    """Run an answerer on its own connection."""
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        channel = await connection.channel()
        one = Answerer(channel)
        queue = await channel.get_queue(commands.name)
        tag = await queue.consume(one.on_message)
        yield one
        with contextlib.suppress(Exception):
            await queue.cancel(tag)


@pytest.fixture
def dial() -> dict[str, Any]:
    return {"command": "dial", "params": {"from": "+15550100", "to": "+15550101", "url": "https://example.com/a.swml"}}
