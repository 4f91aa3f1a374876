"""FastStream's part of the job: one subscriber on a quorum queue, 100 in flight, the reply published with confirm."""

from collections.abc import Awaitable, Callable

from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from job import AMQP_URL, EXCHANGE, IN_FLIGHT, KEY, QUEUE, ROUTING_KEY, Play, reply

Post = Callable[[bytes, str], Awaitable[tuple[int, bytes]]]


def application(post: Post) -> FastStream:
    """Return the application. Its documentation's advice: prefetch by channel, confirms on, no log line a message."""
    broker = RabbitBroker(AMQP_URL, default_channel=Channel(prefetch_count=IN_FLIGHT), logger=None)
    replies = RabbitExchange(EXCHANGE, type=ExchangeType.TOPIC, durable=True, declare=False)

    @broker.subscriber(RabbitQueue(QUEUE, durable=True, declare=False), ack_policy=AckPolicy.NACK_ON_ERROR)
    async def perform(command: Play, message: RabbitMessage) -> None:
        key = message.headers[KEY]
        status, answer = await post(message.body, key)
        body = reply(command, key, status, answer)
        await broker.publish(body, exchange=replies, routing_key=ROUTING_KEY, persist=True, correlation_id=key)

    return FastStream(broker, logger=None)
