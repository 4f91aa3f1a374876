"""A tight loop: aiormq and pyreqwest on uvloop, confirms pipelined, acknowledgements in batches. The yardstick."""

import asyncio
from datetime import timedelta

import aiormq
import uvloop
from job import AMQP_URL, ENDPOINT, EXCHANGE, IN_FLIGHT, KEY, QUEUE, ROUTING_KEY, reply, request_headers, validated
from pamqp.commands import Basic
from pyreqwest.client import Client, ClientBuilder

PAUSE = 0.005


class Acknowledging:
    """Acknowledges up to the last delivery before the first that is still being worked on, some milliseconds apart."""

    def __init__(self, channel: aiormq.abc.AbstractChannel) -> None:
        self._channel = channel
        self._done: set[int] = set()
        self._reached = 0
        self._timer: asyncio.TimerHandle | None = None

    def done(self, tag: int) -> None:
        self._done.add(tag)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._send)

    def _send(self) -> None:
        self._timer = None
        reached = self._reached
        while reached + 1 in self._done:
            reached += 1
            self._done.remove(reached)
        if reached > self._reached:
            self._reached = reached
            self._task = asyncio.ensure_future(self._channel.basic_ack(reached, multiple=True, wait=False))


async def work(message: aiormq.abc.DeliveredMessage, client: Client, channel: aiormq.abc.AbstractChannel) -> None:
    command = validated(message.body)
    key = str((message.header.properties.headers or {})[KEY])
    request = client.post(ENDPOINT).headers(request_headers(key)).body_bytes(message.body).build()
    answer = await request.send()
    body = reply(command, key, answer.status, bytes(await answer.bytes()))
    properties = Basic.Properties(correlation_id=key, delivery_mode=2, content_type="application/json", message_id=key)
    await channel.basic_publish(
        body, exchange=EXCHANGE, routing_key=ROUTING_KEY, properties=properties, mandatory=True, wait=False
    )


async def main() -> None:
    connection = await aiormq.connect(AMQP_URL)
    consuming, publishing = await connection.channel(), await connection.channel()
    await consuming.basic_qos(prefetch_count=IN_FLIGHT)
    acknowledging = Acknowledging(consuming)
    builder = ClientBuilder().max_connections(IN_FLIGHT).timeout(timedelta(seconds=30)).error_for_status()
    async with builder.build() as client:

        async def take(message: aiormq.abc.DeliveredMessage) -> None:
            await work(message, client, publishing)
            acknowledging.done(message.delivery_tag or 0)

        await consuming.basic_consume(QUEUE, take)
        await asyncio.Future()


uvloop.run(main())
