"""The exchanges and queues that a producer meets, a worker reduced to its replies, and a network that can fail."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, Self
from urllib.parse import urlsplit

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
    """Answers each command as a worker would: acts once per key, and gives the stored replies again for a repeat."""

    def __init__(self, channel: AbstractChannel) -> None:
        self.channel = channel
        self.received: list[AbstractIncomingMessage] = []
        self.arrived = asyncio.Condition()
        self.acted: list[str] = []
        self.outcomes: list[OutcomeName] = [OutcomeName.SUCCEEDED]
        self.copies = 1
        self.speaks = True
        self._stored: dict[str, list[bytes]] = {}

    async def on_message(self, message: AbstractIncomingMessage) -> None:
        await message.ack()
        bodies = self._bodies(message)
        if self.speaks:
            for body in bodies * self.copies:
                await self.publish(message, body)
        async with self.arrived:
            self.received.append(message)
            self.arrived.notify_all()

    async def publish(self, message: AbstractIncomingMessage, body: bytes) -> None:
        copy = aio_pika.Message(body, correlation_id=message.correlation_id, type="callmq.reply.v1")
        key = routing_key(message.app_id, message.routing_key, "succeeded")
        exchange = await self.channel.get_exchange(NAMES.replies, ensure=False)
        await exchange.publish(copy, key, mandatory=False)
        if message.reply_to:
            await self.channel.default_exchange.publish(copy, message.reply_to, mandatory=False)

    async def has(self, count: int) -> None:
        """Wait until so many commands have come."""
        async with asyncio.timeout(30), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)

    def _bodies(self, message: AbstractIncomingMessage) -> list[bytes]:
        key = str(message.headers["idempotency-key"])
        if key not in self._stored:
            self.acted.append(key)
            outcomes = enumerate(self.outcomes)
            self._stored[key] = [reply_to(message.routing_key, key, outcome, at) for at, outcome in outcomes]
        return self._stored[key]


def reply_to(command: str | None, key: str, outcome: OutcomeName, sequence: int = 0) -> bytes:
    return Reply(
        reply_id=reply_id("default", key, str(sequence)),
        idempotency_key=key,
        command=command,
        outcome=outcome,
        received_at=0.0,
        finished_at=1.0,
    ).dump()


@pytest.fixture
def make_reply() -> Callable[..., bytes]:
    return reply_to


@pytest.fixture
async def answerer(amqp_url: str, commands: AbstractQueue) -> AsyncIterator[Answerer]:
    """Run an answerer on its own connection."""
    connection = await aio_pika.connect(amqp_url, client_properties={"connection_name": "answerer"})
    async with connection:
        channel = await connection.channel()
        one = Answerer(channel)
        await (await channel.get_queue(commands.name)).consume(one.on_message)
        yield one


@pytest.fixture
def dial() -> dict[str, Any]:
    return {"command": "dial", "params": {"from": "+15550100", "to": "+15550101", "url": "https://example.com/a.swml"}}


class Network:
    """A TCP way to the broker, with TLS in front where a context is given, that can go silent or break."""

    def __init__(self, amqp_url: str, tls: ssl.SSLContext | None = None) -> None:
        self._url = urlsplit(amqp_url)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.held = asyncio.Event()

    def url(self, query: str = "", host: str = "127.0.0.1") -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        scheme = "amqps" if self._tls else "amqp"
        user = self._url.netloc.rpartition("@")[0]
        return f"{scheme}://{user}@{host}:{port}{self._url.path}{query}"

    def blackhole(self) -> None:
        """Deliver nothing any more; connections stay open."""
        self._flows.clear()

    def heal(self) -> None:
        self._flows.set()

    def refuse(self) -> None:
        """Take no further connection; those that are open stay."""
        assert self._server is not None
        self._server.close()

    def break_all(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.break_all()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = asyncio.current_task()
        assert own is not None
        self._tasks.add(own)
        broker_reader, broker_writer = await asyncio.open_connection(self._url.hostname, self._url.port)
        self._writers |= {writer, broker_writer}
        try:
            with contextlib.suppress(asyncio.CancelledError):  # the test ended
                await asyncio.gather(self._pump(reader, broker_writer), self._pump(broker_reader, writer))
        finally:
            self._writers -= {writer, broker_writer}
            self._tasks.discard(own)
            for each in (writer, broker_writer):
                each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await reader.read(65_536):
                if not self._flows.is_set():
                    self.held.set()
                    await self._flows.wait()
                writer.write(data)
                await writer.drain()
            writer.close()


@pytest.fixture
async def network(amqp_url: str) -> AsyncIterator[Network]:
    async with Network(amqp_url) as one:
        yield one


@pytest.fixture
def tls_network(amqp_url: str) -> Callable[[ssl.SSLContext], Network]:
    return lambda context: Network(amqp_url, context)
