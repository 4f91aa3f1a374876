"""A whole small world for a test: a sandbox, a worker in this process, a client, and all published replies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import orjson

from callmq import Client
from callmq_worker.sandbox.server import Sandbox
from callmq_worker.sandbox.settings import SandboxSettings
from callmq_worker.settings import load
from callmq_worker.wiring import Worker, build

TOKEN = "canary-token-7e1f"


def environment(amqp_url: str, ledger: Path, endpoint: str, **more: str) -> dict[str, str]:
    return {
        "CALLMQ_AMQP_URL": amqp_url,
        "CALLMQ_LEDGER_URL": f"sqlite:///{ledger}",
        "CALLMQ_ENDPOINT_URL": endpoint,
        "SIGNALWIRE_PROJECT_ID": "project",
        "SIGNALWIRE_API_TOKEN": TOKEN,
        "CALLMQ_DIAL_RATE": "0",
        "CALLMQ_HTTP_DEADLINE": "2",
        "CALLMQ_LEASE": "4",
        "CALLMQ_GRACE": "5",
        "CALLMQ_PROBE_INTERVAL": "0.3",
        "CALLMQ_HEALTH_ADDR": "off",
        **more,
    }


@dataclass
class World:
    amqp_url: str
    ledger: Path
    sandbox: Sandbox
    client: Client
    admin: aio_pika.abc.AbstractChannel
    replies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[tuple[str, Any]] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @contextlib.asynccontextmanager
    async def working(self, **more: str) -> AsyncIterator[Worker]:
        settings = load(environment(self.amqp_url, self.ledger, self.sandbox.url, **more))
        worker = await build(settings, traced=False)
        running = asyncio.create_task(worker.run())
        try:
            await until(lambda: worker.runner.readiness()[0], running)
            yield worker
        finally:
            worker.runner.stop()
            await running

    async def received(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        async with self.arrived:
            self.replies.append(orjson.loads(message.body))
            self.keys.append((message.routing_key or "", message))
            self.arrived.notify_all()

    async def reply(self, key: str | None, count: int = 1) -> dict[str, Any]:
        """Wait for the count-th reply of a key."""

        def found() -> list[dict[str, Any]]:
            return [r for r in self.replies if r["idempotency_key"] == key]

        async with asyncio.timeout(40), self.arrived:
            await self.arrived.wait_for(lambda: len(found()) >= count)
        return found()[count - 1]

    async def queued(self, name: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
        """Take all that lies in a queue."""
        queue = await self.admin.get_queue(name)
        messages = []
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            messages.append(message)
        return messages

    async def one(self, name: str) -> aio_pika.abc.AbstractIncomingMessage:
        """Wait for the next message of a queue and take it."""
        queue = await self.admin.get_queue(name)
        async with asyncio.timeout(20):
            while (message := await queue.get(no_ack=True, fail=False)) is None:
                await asyncio.sleep(0.02)
        return message

    async def put(self, body: bytes, routing_key: str, **properties: Any) -> None:
        """Publish as a stranger would, without the client."""
        exchange = await self.admin.get_exchange("callmq.commands")
        await exchange.publish(aio_pika.Message(body, **properties), routing_key, mandatory=True)

    def acted(self, key: str) -> int:
        return self.sandbox.journal.times_acted(key)


async def until(true: Callable[[], bool], alive: asyncio.Task[Any] | None = None, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            if alive is not None and alive.done():
                alive.result()
                raise AssertionError("ended too early")
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def world(amqp_url: str, ledger: Path, **settings: Any) -> AsyncIterator[World]:
    told = {
        "project_id": "project",
        "api_token": TOKEN,
        "cps": 0.0,
        "ring_seconds": 0.0,
        "answer_seconds": 0.0,
        "seed": 1,
    }
    connection = await aio_pika.connect(amqp_url)
    async with connection, Sandbox(SandboxSettings(**{**told, **settings})) as sandbox:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("callmq.replies", aio_pika.ExchangeType.TOPIC, durable=True)
        queue = await channel.declare_queue("watch", durable=True, arguments={"x-queue-type": "quorum"})
        await queue.bind(exchange, "#")
        async with Client(amqp_url, app_id="test") as client:
            here = World(amqp_url, ledger, sandbox, client, channel)
            await queue.consume(here.received, no_ack=True)
            yield here
