"""How much lies in queues, without taking anything from them."""

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity

from callmq_worker.adapters.amqp import bounded
from callmq_worker.adapters.browse import look
from callmq_worker.adapters.decoding import properties_of
from callmq_worker.ports import BrokerAwayError


class QueueDepths:
    """The queues of one connection."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._channel: AbstractChannel | None = None

    async def depth(self, queue: str) -> tuple[int, int] | None:
        """Return what waits in a queue and its consumers, None where there is no such queue.

        Raises `BrokerAwayError`.
        """
        if self._channel is None or self._channel.is_closed:
            self._channel = await bounded(self._connection.channel(publisher_confirms=False))
        try:
            _, waiting, consumers = await look(self._channel, queue)
        except BrokerAwayError as error:
            if error.__cause__ is not None and isinstance(error.__cause__.__cause__, ChannelNotFoundEntity):
                return None
            raise
        return waiting, consumers

    async def head(self, queue: str) -> float | None:
        """Return when the first message of a queue was published, in seconds since the epoch.

        The message is delivered here and goes back to its place, by the end of a channel: that counts as a delivery.
        Raises `BrokerAwayError`.
        """
        channel = await bounded(self._connection.channel(publisher_confirms=False))
        try:
            found = await bounded(channel.get_queue(queue, ensure=False))
            message = await bounded(found.get(no_ack=False, fail=False))
            return None if message is None else properties_of(message.routing_key, message.properties).timestamp
        finally:
            if not channel.is_closed:
                await bounded(channel.close())
