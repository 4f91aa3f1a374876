"""aio-pika and httpx, as anyone writes it on the first day."""

import asyncio

import aio_pika
import httpx
from job import AMQP_URL, ENDPOINT, EXCHANGE, IN_FLIGHT, KEY, QUEUE, ROUTING_KEY, reply, request_headers, validated


async def main() -> None:
    connection = await aio_pika.connect_robust(AMQP_URL)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=IN_FLIGHT)
    queue = await channel.get_queue(QUEUE)
    replies = await channel.get_exchange(EXCHANGE)

    async with httpx.AsyncClient(timeout=30) as client:

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            async with message.process():
                command = validated(message.body)
                key = str(message.headers[KEY])
                answer = await client.post(ENDPOINT, content=message.body, headers=request_headers(key))
                answer.raise_for_status()
                body = reply(command, key, answer.status_code, answer.content)
                mode = aio_pika.DeliveryMode.PERSISTENT
                await replies.publish(aio_pika.Message(body, correlation_id=key, delivery_mode=mode), ROUTING_KEY)

        await queue.consume(take)
        await asyncio.Future()


asyncio.run(main())
