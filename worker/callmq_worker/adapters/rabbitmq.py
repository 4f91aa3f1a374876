"""RabbitMQ through aio-pika: a session of two connections, lanes to consume, publications with their result."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aiormq.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError

from callmq_worker.adapters.amqp import TROUBLE, Hosts, bounded, connect, properties_of, reason_of
from callmq_worker.adapters.topology import declare, verify
from callmq_worker.core.layout import Lane, Layout
from callmq_worker.core.publications import Publication
from callmq_worker.ports import BrokerAwayError, Clock, Delivery, Published

LOG = logging.getLogger("callmq.rabbitmq")
PUBLISH_TIMEOUT: Final = 5.0
CLOSE_TIMEOUT: Final = 3.0


class RabbitPublisher:
    """Publishes on the session's own connection, one channel an exchange, so that a missing one closes only its own."""

    def __init__(self) -> None:
        self._connection: AbstractConnection | None = None
        self._exchanges: dict[str, tuple[AbstractChannel, AbstractExchange]] = {}
        self._lock = asyncio.Lock()

    def use(self, connection: AbstractConnection | None) -> None:
        """Publish on this connection from now on; None: there is none at present."""
        self._connection = connection
        self._exchanges = {}

    async def publish(self, publication: Publication) -> Published:
        """Publish and wait for the broker's word."""
        if self._connection is None or not await self._flowing(self._connection):
            return Published.BLOCKED
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                exchange = await self._exchange(publication.exchange)
                await exchange.publish(
                    message_for(publication), publication.routing_key, mandatory=publication.mandatory
                )
        except PublishError:
            return Published.UNROUTABLE
        except DeliveryError:
            return Published.NACKED
        except ChannelNotFoundEntity:
            return Published.ABSENT
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Published.UNKNOWN  # aiormq cancels its waiters when a connection dies
        except TROUBLE as error:
            LOG.debug("publication without an answer", extra={"fields": {"reason": reason_of(error)}})
            return Published.UNKNOWN
        return Published.CONFIRMED

    async def _flowing(self, connection: AbstractConnection) -> bool:
        """Wait while the broker takes nothing (its alarms). What is never written can't arrive twice later."""
        transport = connection.transport
        if transport is None:
            return False
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                await transport.connection.ready()
        except TimeoutError:
            return False
        return True

    async def _exchange(self, name: str) -> AbstractExchange:
        async with self._lock:
            known = self._exchanges.get(name)
            if known is not None and not known[0].is_closed:
                return known[1]
            if self._connection is None:
                raise OSError("not connected")
            channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await channel.get_exchange(name, ensure=False) if name else channel.default_exchange
            self._exchanges[name] = (channel, exchange)
            return exchange


def message_for(publication: Publication) -> aio_pika.Message:
    """Return the persistent message; its id is unique, since the broker's returns are matched by it."""
    return aio_pika.Message(
        publication.body,
        headers=dict(publication.headers),
        content_type=publication.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=uuid.uuid4().hex,
        correlation_id=publication.correlation_id,
        type=publication.type,
        app_id=publication.app_id,
        reply_to=publication.reply_to,
        timestamp=int(publication.timestamp) if publication.timestamp is not None else None,
    )


class RabbitReceipt:
    """Settles one delivery on the channel that brought it."""

    def __init__(self, message: AbstractIncomingMessage, channel: AbstractChannel) -> None:
        self._message = message
        self._channel = channel

    @property
    def alive(self) -> bool:
        """Whether the channel that delivered it still is."""
        return not self._channel.is_closed

    async def acknowledge(self) -> None:
        """Tell the broker that it is settled."""
        await self._settle(self._message.ack)

    async def give_back(self) -> None:
        """Put it back into its queue, untouched."""
        await self._settle(lambda: self._message.nack(requeue=True))

    async def _settle(self, call: Callable[[], "asyncio.Future[None] | object"]) -> None:
        if not self.alive:
            return
        try:
            await bounded(call())  # type: ignore[arg-type]
        except BrokerAwayError as error:
            LOG.debug("not settled, it will come again", extra={"fields": {"reason": str(error)}})


class RabbitConsumer:
    """One lane that is consumed."""

    def __init__(self, lane: Lane, channel: AbstractChannel, lost: Callable[[str], None]) -> None:
        self.lane = lane
        self._channel = channel
        self._tag: str | None = None
        self._queue: aio_pika.abc.AbstractQueue | None = None
        self._lost = lost

    @property
    def alive(self) -> bool:
        """Whether the broker still has this consumer, as far as can be known here."""
        return self._tag is not None and not self._channel.is_closed

    async def start(self, prefetch: int, clock: Clock, hand_over: Callable[[Delivery], None]) -> None:
        """Consume. The callback only hands over: aio-pika cancels it when the channel dies."""

        async def received(message: AbstractIncomingMessage) -> None:
            hand_over(self._delivery(message, clock))

        await bounded(self._channel.set_qos(prefetch_count=prefetch, global_=False))
        underlay = await bounded(self._channel.get_underlay_channel())
        underlay.on_consumer_cancel_callbacks.add(lambda _frame: self._gone("consumer cancelled by the broker"))
        self._channel.close_callbacks.add(
            lambda _channel, error: self._gone(f"channel closed: {reason_of(error)}" if error else "channel closed")
        )
        self._queue = await bounded(self._channel.get_queue(self.lane.queue, ensure=False))
        self._tag = await bounded(self._queue.consume(received, no_ack=False))

    def _gone(self, reason: str) -> None:
        if self._tag is not None:
            self._tag = None
            self._lost(f"{self.lane.name}: {reason}")

    def _delivery(self, message: AbstractIncomingMessage, clock: Clock) -> Delivery:
        count = message.headers.get("x-delivery-count", 0)
        return Delivery(
            lane=self.lane.name,
            queue=self.lane.queue,
            exchange=message.exchange or "",
            body=message.body,
            properties=properties_of(message),
            receipt=RabbitReceipt(message, self._channel),
            received_at=clock.now(),
            redelivered=bool(message.redelivered),
            delivery_count=count if isinstance(count, int) else 0,
        )

    async def stop(self) -> None:
        """Take nothing new. What was handed over can still be settled."""
        tag, self._tag = self._tag, None
        if tag is not None and self._queue is not None and not self._channel.is_closed:
            try:
                await bounded(self._queue.cancel(tag))
            except BrokerAwayError as error:
                LOG.debug("consumer not cancelled", extra={"fields": {"reason": str(error)}})

    async def close(self) -> None:
        """Close the channel: what is unsettled goes back to the queue."""
        self._tag = None  # its end is wanted, and no loss
        if not self._channel.is_closed:
            try:
                await bounded(self._channel.close(), CLOSE_TIMEOUT)
            except BrokerAwayError as error:
                LOG.debug("channel not closed", extra={"fields": {"reason": str(error)}})


class RabbitSession:
    """Two connections, one to consume and one to publish: a blocked publisher must not freeze the consumer."""

    def __init__(self, consuming: AbstractConnection, publishing: AbstractConnection, clock: Clock) -> None:
        self._consuming = consuming
        self._publishing = publishing
        self._clock = clock
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        for connection, name in ((consuming, "consuming"), (publishing, "publishing")):
            connection.close_callbacks.add(
                lambda _c, error, name=name: self.lose(
                    f"{name} connection closed: {reason_of(error) if error else 'closed'}"
                )
            )

    def lose(self, reason: str) -> None:
        """Declare this session lost."""
        if not self._lost.done():
            self._lost.set_result(reason)

    async def lost(self) -> str:
        """Wait until a connection, a channel or a consumer is gone; return which and why."""
        return await asyncio.shield(self._lost)

    async def declare(self, layout: Layout) -> tuple[str, ...]:
        """Declare what is missing; return a sentence for each thing that is wrong and can't be mended."""
        return await declare(self._consuming, layout)

    async def verify(self, layout: Layout) -> tuple[str, ...]:
        """Return one sentence for each exchange or queue that is missing, changing nothing."""
        return await verify(self._consuming, layout)

    async def consume(self, lane: Lane, prefetch: int, hand_over: Callable[[Delivery], None]) -> RabbitConsumer:
        """Open a lane. Raises `BrokerAwayError`."""
        channel = await bounded(self._consuming.channel(publisher_confirms=False))
        consumer = RabbitConsumer(lane, channel, self.lose)
        await consumer.start(prefetch, self._clock, hand_over)
        return consumer

    async def close(self) -> None:
        """Close both connections."""
        self.lose("closed")
        for connection in (self._consuming, self._publishing):
            try:
                await bounded(connection.close(), CLOSE_TIMEOUT)
            except BrokerAwayError as error:
                LOG.debug("connection not closed", extra={"fields": {"reason": str(error)}})


class RabbitBroker:
    """Makes sessions, one at a time; the publisher always uses the newest."""

    def __init__(self, hosts: Hosts, name: str, clock: Clock) -> None:
        self._hosts = hosts
        self._name = name
        self._clock = clock
        self.publisher = RabbitPublisher()

    async def connect(self) -> RabbitSession:
        """Connect twice. Raises `BrokerAwayError`."""
        consuming = await connect(self._hosts, f"{self._name} consume")
        try:
            publishing = await connect(self._hosts, f"{self._name} publish")
        except BaseException:
            await consuming.close()
            raise
        session = RabbitSession(consuming, publishing, self._clock)
        self.publisher.use(publishing)
        return session

    def forget(self) -> None:
        """Publish nothing until the next session."""
        self.publisher.use(None)
