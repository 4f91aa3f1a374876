"""One lane that is consumed: deliveries handed over, and settled in pieces that leave together."""

import logging
from collections.abc import Callable
from typing import Final

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as Underlay
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from callmq_worker.adapters import frames
from callmq_worker.adapters.amqp import bounded, properties_of, reason_of
from callmq_worker.adapters.outlet import Outlet
from callmq_worker.core.layout import Lane
from callmq_worker.ports import BrokerAwayError, Clock, Delivery

LOG: Final = logging.getLogger("callmq.consuming")
CLOSE_TIMEOUT: Final = 3.0


class RabbitReceipt:
    """Settles one delivery on the channel that brought it."""

    __slots__ = ("_channel", "_outlet", "_tag")

    def __init__(self, channel: Underlay, outlet: Outlet, tag: int) -> None:
        self._channel = channel
        self._outlet = outlet
        self._tag = tag

    @property
    def alive(self) -> bool:
        """Whether the channel that delivered it still is."""
        return not self._channel.is_closed

    async def acknowledge(self) -> None:
        """Tell the broker that it is settled."""
        if self.alive:
            self._outlet.write(frames.acknowledged(self._channel.number, self._tag))

    async def give_back(self) -> None:
        """Put it back into its queue, untouched."""
        if self.alive:
            self._outlet.write(frames.given_back(self._channel.number, self._tag))


class RabbitConsumer:
    """One lane that is consumed."""

    def __init__(self, lane: Lane, channel: AbstractChannel, lost: Callable[[str], None]) -> None:
        self.lane = lane
        self._channel = channel
        self._underlay: Underlay
        self._outlet: Outlet
        self._tag: str | None = None
        self._lost = lost

    @property
    def alive(self) -> bool:
        """Whether the broker still has this consumer, as far as can be known here."""
        return self._tag is not None and not self._channel.is_closed

    async def start(self, prefetch: int, clock: Clock, hand_over: Callable[[Delivery], None]) -> None:
        """Consume. The callback only hands over: it is cancelled when the channel dies."""

        async def received(message: DeliveredMessage) -> None:
            hand_over(self._delivery(message, clock.now()))

        underlay = self._underlay = await bounded(self._channel.get_underlay_channel())
        self._outlet = Outlet(underlay)
        underlay.on_consumer_cancel_callbacks.add(lambda _frame: self._gone("consumer cancelled by the broker"))
        self._channel.close_callbacks.add(
            lambda _channel, error: self._gone(f"channel closed: {reason_of(error)}" if error else "channel closed")
        )
        await bounded(underlay.basic_qos(prefetch_count=prefetch, global_=False))
        self._tag = (await bounded(underlay.basic_consume(self.lane.queue, received, no_ack=False))).consumer_tag

    def _gone(self, reason: str) -> None:
        if self._tag is not None:
            self._tag = None
            self._lost(f"{self.lane.name}: {reason}")

    def _delivery(self, message: DeliveredMessage, now: float) -> Delivery:
        told = message.delivery
        assert isinstance(told, Basic.Deliver)  # noqa: S101 - a consumer gets nothing else
        properties = properties_of(told.routing_key, message.header.properties)
        count = properties.headers.get("x-delivery-count", 0)
        return Delivery(
            lane=self.lane.name,
            queue=self.lane.queue,
            exchange=told.exchange or "",
            body=message.body,
            properties=properties,
            receipt=RabbitReceipt(self._underlay, self._outlet, told.delivery_tag or 0),
            received_at=now,
            redelivered=bool(told.redelivered),
            delivery_count=count if isinstance(count, int) else 0,
        )

    async def stop(self) -> None:
        """Take nothing new. What was handed over can still be settled."""
        tag, self._tag = self._tag, None
        if tag is not None and not self._channel.is_closed:
            try:
                await bounded(self._underlay.basic_cancel(tag))
            except BrokerAwayError as error:
                LOG.debug("consumer not cancelled", extra={"fields": {"reason": str(error)}})

    async def close(self) -> None:
        """Close the channel: what is unsettled goes back to the queue."""
        self._tag = None  # its end is wanted, and no loss
        if not self._channel.is_closed:
            try:
                await bounded(self._outlet.flushed(), CLOSE_TIMEOUT)
                await bounded(self._channel.close(), CLOSE_TIMEOUT)
            except BrokerAwayError as error:
                LOG.debug("channel not closed", extra={"fields": {"reason": str(error)}})
