"""Calls that wait for their replies, all on one exclusive queue."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from callmq.connection import Link
from callmq.consuming import Consumer, Session
from callmq.errors import InvalidReplyError, NotPublishedError
from callmq.message import Outgoing
from callmq.publishing import Publisher
from callmq.received import ReceivedReply, parse_reply
from callmq.results import Blocked, Confirmed, Nacked, PublishResult, Unknown, Unroutable

_PAUSE: Final = 0.5
_log = logging.getLogger("callmq")


@dataclass(eq=False, slots=True)
class Waiter:
    """One call that waits until ``deadline`` (the event loop's time).

    ``provisional`` is an ``unknown`` reply that came while a final one is waited for. ``sent``: the command may be
    on its way; ``refusal``: the last publish result that was none.
    """

    deadline: float
    final: bool
    reply: asyncio.Future[ReceivedReply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    provisional: ReceivedReply | None = None
    sent: bool = False
    refusal: PublishResult | None = None

    @property
    def left(self) -> float:
        """Seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - asyncio.get_running_loop().time())

    def take(self, reply: ReceivedReply) -> None:
        """End the wait, unless a final reply is wanted and this one is not; a repeat changes nothing."""
        if self.final and not reply.final:
            self.provisional = reply
        elif not self.reply.done():
            self.reply.set_result(reply)


class ReplyDesk:
    """The reply queue of one client and the calls that wait on it, at most ``most`` at a time."""

    def __init__(self, link: Link, publisher: Publisher, most: int) -> None:
        """Keep the ways out and back; the queue is declared at the first call."""
        self._publisher = publisher
        self._waiters: dict[str, Waiter] = {}
        self._free = asyncio.Semaphore(most)
        self._consumer = Consumer(link, _declare, self._receive, prefetch=None)
        self._starting = asyncio.Lock()
        self._started = False

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiters)

    async def call(self, outgoing: Outgoing, waiter: Waiter) -> ReceivedReply:
        """Publish and wait for the reply; raises `TimeoutError` at the waiter's deadline and `NotPublishedError`.

        After every loss of the reply queue the command is published again: under the same key the stored reply
        comes back and nothing is done twice.
        """
        async with asyncio.timeout_at(waiter.deadline):
            await self._start()
            await self._free.acquire()
        try:
            with self._waiting(outgoing.correlation_id or "", waiter):
                while True:
                    async with asyncio.timeout_at(waiter.deadline):
                        session = await self._consumer.session()
                    await self._publish(replace(outgoing, reply_to=session.queue), waiter, session)
                    if await _came(waiter, session):
                        return waiter.reply.result()
        finally:
            self._free.release()

    async def close(self) -> None:
        """Stop consuming; waiting calls end with `ClientClosedError`."""
        await self._consumer.close()

    async def _start(self) -> None:
        async with self._starting:
            if not self._started:
                await self._consumer.start()
                self._started = True

    @contextlib.contextmanager
    def _waiting(self, correlation_id: str, waiter: Waiter) -> Iterator[None]:
        if correlation_id in self._waiters:
            raise ValueError("Another call of this client waits under the same correlation_id: each needs its own.")
        self._waiters[correlation_id] = waiter
        try:
            yield
        finally:
            del self._waiters[correlation_id]

    async def _publish(self, outgoing: Outgoing, waiter: Waiter, session: Session) -> None:
        """Publish until the broker has it, the reply is there, or the reply queue is gone."""
        while not (waiter.reply.done() or session.lost.is_set()):
            before, waiter.sent = waiter.sent, True
            result = await self._publisher.publish(outgoing, waiter.left)
            match result:
                case Confirmed():
                    return
                case Unknown():
                    pass
                case Blocked() | Unroutable() | Nacked():
                    waiter.sent, waiter.refusal = before, result
                    if not before and not isinstance(result, Blocked):
                        raise NotPublishedError(result)
            if not waiter.left:
                raise TimeoutError
            await asyncio.sleep(min(_PAUSE, waiter.left))

    def _receive(self, message: AbstractIncomingMessage) -> None:
        waiter = self._waiters.get(message.correlation_id or "")
        if waiter is None:
            return  # a repeat, or its call no longer waits
        try:
            waiter.take(parse_reply(message.body))
        except InvalidReplyError as error:
            _log.warning("a message in the reply queue was left out: %s", error)


async def _declare(channel: AbstractChannel) -> AbstractQueue:
    return await channel.declare_queue(exclusive=True, auto_delete=True)


async def _came(waiter: Waiter, session: Session) -> bool:
    """Wait for the reply or the loss of its queue; the answer is whether the reply came. Raises `TimeoutError`."""
    lost = asyncio.ensure_future(session.lost.wait())
    either: set[asyncio.Future[Any]] = {waiter.reply, lost}
    try:
        done, _ = await asyncio.wait(either, timeout=waiter.left, return_when=asyncio.FIRST_COMPLETED)
    finally:
        lost.cancel()
    if not done:
        raise TimeoutError
    return waiter.reply.done()
