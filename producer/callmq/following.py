"""Following the replies of many commands."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from pamqp.common import FieldValue

from callmq.connection import BROKER_ERRORS, Link
from callmq.consuming import Consumer
from callmq.errors import ClientClosedError, InvalidReplyError
from callmq.received import ReceivedReply, parse_reply

PREFETCH: Final = 20
_REMEMBERED: Final = 10_000
# Quorum queues of RabbitMQ 4 drop a message after 20 deliveries unless told otherwise; a reply is never dropped.
_ARGUMENTS: Final[dict[str, FieldValue]] = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000}
_log = logging.getLogger("callmq")


@dataclass(frozen=True, slots=True)
class Subscription:
    """Which replies: a binding pattern of the reply exchange (``<app_id>.<command>.<outcome>``), and a queue or None.

    With a queue name: a durable quorum queue, shared by all who name it, that collects while nobody listens. Without:
    a queue of this connection's own, which misses what is published while the connection is away.
    """

    exchange: str
    pattern: str = "#"
    queue: str | None = None


class ReplyStream:
    """An endless iterator of replies; repeats of a reply (same ``reply_id``) are left out.

    A reply is acknowledged when the next one is asked for, so that one whose step failed comes again. Before leaving
    the loop early, ``acknowledge`` the last one. Close it, or use it with ``async with``.
    """

    def __init__(self, link: Link, subscription: Subscription, on_close: "Callable[[ReplyStream], None]") -> None:
        """Prepare; nothing is declared or consumed before ``start``."""
        self._subscription = subscription
        self._on_close = on_close
        self._consumer = Consumer(link, self._declare, self._receive, PREFETCH)
        self._arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        self._current: tuple[AbstractIncomingMessage, str] | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._started = False
        self._closed = False

    async def start(self) -> None:
        """Declare, bind and consume now and not at the first reply; raises `BrokerRefusedError` where that fails."""
        if not self._started:
            await self._consumer.start()
            self._started = True

    async def acknowledge(self) -> None:
        """Tell the broker that the present reply is done with."""
        if self._current is None:
            return
        message, reply_id = self._current
        self._current = None
        self._seen[reply_id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        await _settle(message)

    async def close(self) -> None:
        """Stop; a reply that was not acknowledged goes back to its queue."""
        self._closed = True
        self._on_close(self)
        self._arrived.put_nowait(None)
        await self._consumer.close()

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> ReceivedReply:
        """Acknowledge the reply before and wait for the next."""
        await self.start()
        await self.acknowledge()
        while True:
            message = None if self._closed else await self._arrived.get()
            if message is None:
                raise StopAsyncIteration
            try:
                reply = parse_reply(message.body)
            except InvalidReplyError as error:
                _log.warning("a message among the replies was left out: %s", error)
                await _settle(message)
                continue
            if reply.reply_id in self._seen:
                await _settle(message)
                continue
            self._current = message, reply.reply_id
            return reply

    async def __aenter__(self) -> Self:
        """Start."""
        if self._closed:
            raise ClientClosedError("This stream of replies was closed.")
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    def _receive(self, message: AbstractIncomingMessage) -> None:
        self._arrived.put_nowait(message)

    async def _declare(self, channel: AbstractChannel) -> AbstractQueue:
        wanted = self._subscription
        if wanted.queue is None:
            queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        else:
            queue = await channel.declare_queue(wanted.queue, durable=True, arguments=dict(_ARGUMENTS))
        await queue.bind(wanted.exchange, wanted.pattern)
        return queue


async def _settle(message: AbstractIncomingMessage) -> None:
    # Where its channel is gone, the broker delivers it again, and then it is known.
    with contextlib.suppress(*BROKER_ERRORS):
        await message.ack()
