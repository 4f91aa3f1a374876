"""taskiq-aio-pika and aiohttp: ``taskiq worker taskiq_aiohttp:broker``."""

import aio_pika
import aiohttp
from job import AMQP_URL, ENDPOINT, EXCHANGE, IN_FLIGHT, QUEUE, ROUTING_KEY, reply, request_headers, validated
from taskiq import TaskiqEvents, TaskiqState
from taskiq_aio_pika import AioPikaBroker
from taskiq_aio_pika.queue import Queue

broker = AioPikaBroker(AMQP_URL, qos=IN_FLIGHT, task_queues=[Queue(name=QUEUE, declare=False)])


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def begin(state: TaskiqState) -> None:
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    state.client = aiohttp.ClientSession(connector=connector, raise_for_status=True)
    state.connection = await aio_pika.connect_robust(AMQP_URL)
    channel = await state.connection.channel()
    state.replies = await channel.get_exchange(EXCHANGE)


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def finish(state: TaskiqState) -> None:
    await state.client.close()
    await state.connection.close()


@broker.task(task_name="bench.perform")
async def perform(body: str, key: str) -> None:
    command = validated(body)
    async with broker.state.client.post(ENDPOINT, data=body.encode(), headers=request_headers(key)) as answer:
        document = reply(command, key, answer.status, await answer.read())
    message = aio_pika.Message(document, correlation_id=key, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await broker.state.replies.publish(message, ROUTING_KEY)
