"""One lane that is consumed: deliveries handed over, and settled in pieces that leave together."""

import logging
import struct
import uuid
from collections.abc import Callable
from typing import Final, NamedTuple

from aio_pika.abc import AbstractChannel
from aiormq.abc import AbstractChannel as Underlay
from aiormq.abc import DeliveredMessage

from callmq_contracts.envelope import UNREADABLE, Properties
from callmq_worker.adapters import frames
from callmq_worker.adapters.amqp import bounded, reason_of
from callmq_worker.adapters.content import Content
from callmq_worker.adapters.decoding import UnreadableError, properties, short
from callmq_worker.adapters.inlet import METHOD, Inlet
from callmq_worker.adapters.outlet import Outlet
from callmq_worker.core.layout import Lane
from callmq_worker.ports import BrokerAwayError, Clock, Delivery

LOG: Final = logging.getLogger("callmq.consuming")
CLOSE_TIMEOUT: Final = 3.0
_DELIVER: Final = b"\x00\x3c\x00\x3c"
_DELIVERED: Final = struct.Struct(">QB")  # its number, and whether it was delivered before


class RabbitReceipt:
    """Settles one delivery on the channel that brought it."""

    __slots__ = ("_outlet", "_tag")

    def __init__(self, outlet: Outlet, tag: int) -> None:
        self._outlet = outlet
        self._tag = tag

    @property
    def alive(self) -> bool:
        """Whether the channel that delivered it still is."""
        return not self._outlet.closed

    async def acknowledge(self) -> None:
        """Tell the broker that it is settled."""
        self._outlet.write(frames.acknowledged(self._outlet.number, self._tag))

    async def give_back(self) -> None:
        """Put it back into its queue, untouched."""
        self._outlet.write(frames.given_back(self._outlet.number, self._tag))


class Told(NamedTuple):
    """What the broker says of a delivery, ahead of its content."""

    number: int
    redelivered: bool
    exchange: str
    routing_key: str
    readable: bool


class Deliveries:
    """Takes from a channel's frames what is delivered to one consumer."""

    def __init__(self, consumer_tag: str, hand_over: Callable[[Content[Told]], None], shut: Callable[[], None]) -> None:
        self._head = _DELIVER + bytes((len(consumer_tag),)) + consumer_tag.encode()
        self._hand_over = hand_over
        self.shut = shut
        self._content: Content[Told] | None = None

    def take(self, kind: int, data: bytes, begin: int, end: int) -> bool:
        """Take a delivery, its header and its body."""
        if kind == METHOD:
            if not data.startswith(self._head, begin):
                self._content = None
                return False
            self._content = Content(told_of(data[begin + len(self._head) : end]))
            return True
        content = self._content
        if content is None:
            return False
        if content.add(kind, data[begin:end]):
            self._content = None
            try:
                self._hand_over(content)
            except Exception:  # a fault of one delivery ends neither the connection nor its neighbours
                LOG.exception("delivery not taken")
        return True


def told_of(data: bytes) -> Told:
    """Return what is said of a message from its number on."""
    number, redelivered = _DELIVERED.unpack_from(data)
    try:
        exchange, at = short(data, _DELIVERED.size)
        routing_key, _ = short(data, at)
    except UnicodeDecodeError:
        return Told(number, bool(redelivered), "", "", readable=False)
    return Told(number, bool(redelivered), exchange, routing_key, readable=True)


def delivered(lane: Lane, content: Content[Told], outlet: Outlet, now: float) -> Delivery:
    """Return a whole message as a delivery. ``now`` in seconds since the epoch."""
    told, around = content.told, _around(lane, content)
    count = around.headers.get("x-delivery-count", 0)
    return Delivery(
        lane=lane.name,
        queue=lane.queue,
        exchange=told.exchange,
        body=content.body,
        properties=around,
        receipt=RabbitReceipt(outlet, told.number),
        received_at=now,
        redelivered=told.redelivered,
        delivery_count=count if isinstance(count, int) else 0,
    )


def _around(lane: Lane, content: Content[Told]) -> Properties:
    """Return the properties; where they can't be decoded, such that the message is rejected whatever it says."""
    told = content.told
    try:
        if told.readable:
            return properties(told.routing_key, content.header)
        reason = "UnicodeDecodeError"
    except UnreadableError as error:
        reason = str(error)
    LOG.warning(
        "properties that can't be decoded: the message is rejected",
        extra={"fields": {"lane": lane.name, "reason": reason}},
    )
    return Properties(routing_key=told.routing_key, content_type=UNREADABLE)


class RabbitConsumer:
    """One lane that is consumed."""

    def __init__(self, lane: Lane, channel: AbstractChannel, inlet: Inlet, lost: Callable[[str], None]) -> None:
        self.lane = lane
        self._channel = channel
        self._inlet = inlet
        self._underlay: Underlay
        self._outlet: Outlet
        self._tag: str | None = None
        self._lost = lost

    @property
    def alive(self) -> bool:
        """Whether the broker still has this consumer, as far as can be known here."""
        return self._tag is not None and not self._channel.is_closed

    async def start(self, prefetch: int, clock: Clock, hand_over: Callable[[Delivery], None]) -> None:
        """Consume. The callback only hands over: it runs while frames are read."""
        underlay = self._underlay = await bounded(self._channel.get_underlay_channel())
        self._outlet = Outlet(underlay)
        underlay.on_consumer_cancel_callbacks.add(lambda _frame: self._gone("consumer cancelled by the broker"))
        self._channel.close_callbacks.add(
            lambda _channel, error: self._gone(f"channel closed: {reason_of(error)}" if error else "channel closed")
        )
        tag = uuid.uuid4().hex
        lane, outlet = self.lane, self._outlet
        deliveries = Deliveries(tag, lambda c: hand_over(delivered(lane, c, outlet, clock.now())), outlet.shut)
        self._inlet.attend(underlay.number, deliveries)
        underlay.closing.add_done_callback(lambda _closing: self._inlet.leave(underlay.number, deliveries))
        await bounded(underlay.basic_qos(prefetch_count=prefetch, global_=False))
        await bounded(underlay.basic_consume(self.lane.queue, _stray, no_ack=False, consumer_tag=tag))
        self._tag = tag

    def _gone(self, reason: str) -> None:
        if self._tag is not None:
            self._tag = None
            self._lost(f"{self.lane.name}: {reason}")

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
                self._outlet.shut()
                await bounded(self._channel.close(), CLOSE_TIMEOUT)
            except BrokerAwayError as error:
                LOG.debug("channel not closed", extra={"fields": {"reason": str(error)}})


async def _stray(_message: DeliveredMessage) -> None:
    """Stand where the library wants a consumer; the inlet takes what is delivered before it gets here."""
