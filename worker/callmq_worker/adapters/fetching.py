"""Messages that are asked for one by one: nothing is held that nobody has a use for."""

import asyncio
import logging
import struct
from typing import Final

from aio_pika.abc import AbstractChannel

from callmq_worker.adapters import frames
from callmq_worker.adapters.amqp import Connection, bounded
from callmq_worker.adapters.consuming import CLOSE_TIMEOUT, Told, delivered, told_of
from callmq_worker.adapters.content import Content
from callmq_worker.adapters.inlet import METHOD
from callmq_worker.adapters.outlet import Outlet
from callmq_worker.adapters.topology import verify
from callmq_worker.core.layout import Lane, Layout, QueueSpec
from callmq_worker.ports import BrokerAwayError, Clock, Delivery

LOG: Final = logging.getLogger("callmq.fetching")
FETCH_TIMEOUT: Final = 5.0
_FOUND: Final = b"\x00\x3c\x00\x47"
_EMPTY: Final = b"\x00\x3c\x00\x48"
_LEFT: Final = struct.Struct(">I")
Asked = asyncio.Future[tuple[Content[Told], int] | None]


class Answers:
    """Takes from a channel's frames what is answered to the one question that is asked at a time."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._content: Content[Told] | None = None
        self._left = 0
        self.asked: Asked | None = None

    def take(self, kind: int, data: bytes, begin: int, end: int) -> bool:
        """Take an answer: that there is none, or its header and its body."""
        if kind == METHOD:
            if data.startswith(_FOUND, begin):
                self._content = Content(told_of(data[begin + len(_FOUND) : end]))
                (self._left,) = _LEFT.unpack_from(data, end - _LEFT.size)
                return True
            self._content = None
            if data.startswith(_EMPTY, begin):
                self._answer(None)
                return True
            return False
        content = self._content
        if content is None:
            return False
        if content.add(kind, data[begin:end]):
            self._content = None
            self._answer(content)
        return True

    def _answer(self, content: Content[Told] | None) -> None:
        asked, self.asked = self.asked, None
        if asked is not None and not asked.done():
            asked.set_result(None if content is None else (content, self._left))

    def shut(self) -> None:
        """Write nothing more, and answer nothing."""
        self._outlet.shut()
        if self.asked is not None and not self.asked.done():
            self.asked.set_exception(BrokerAwayError("channel closed by the broker"))


class RabbitFetcher:
    """One channel to ask on. What was fetched and is unsettled when it closes goes back to its queue."""

    def __init__(self, connection: Connection, channel: AbstractChannel, clock: Clock) -> None:
        self._connection = connection
        self._channel = channel
        self._inlet = connection.inlet
        self._clock = clock
        self._there: set[str] = set()
        self._outlet: Outlet
        self._answers: Answers

    async def start(self) -> None:
        """Attend to the channel."""
        underlay = await bounded(self._channel.get_underlay_channel())
        self._outlet = Outlet(underlay)
        answers = self._answers = Answers(self._outlet)
        self._inlet.attend(underlay.number, answers)

        def ended(_closing: object) -> None:
            self._inlet.leave(underlay.number, answers)
            answers.shut()

        underlay.closing.add_done_callback(ended)

    async def fetch(self, lane: Lane) -> tuple[Delivery, int] | None:
        """Return the next message of a lane and how many are left, None where it is empty or was not made yet.

        Raises `BrokerAwayError`, also where a queue has gone, and `NoAnswerError` where it is silent: the channel
        waits for it, and is of no more use.
        """
        if self._outlet.closed:
            raise BrokerAwayError("channel closed")
        if not await self._exists(lane.queue):
            return None
        asked: Asked = asyncio.get_running_loop().create_future()
        self._answers.asked = asked
        self._outlet.write(frames.get(self._outlet.number, lane.queue))
        found = await bounded(asked, FETCH_TIMEOUT)
        if found is None:
            return None
        content, left = found
        return delivered(lane, content, self._outlet, self._clock.now()), left

    async def _exists(self, queue: str) -> bool:
        """Look at a queue for the first time beside the channel, which the broker would close over a missing one."""
        if queue not in self._there and not await verify(self._connection, Layout(queues=(QueueSpec(queue, {}),))):
            self._there.add(queue)
        return queue in self._there

    async def close(self) -> None:
        """Close the channel."""
        if not self._channel.is_closed:
            try:
                await bounded(self._outlet.flushed(), CLOSE_TIMEOUT)
                self._outlet.shut()
                await bounded(self._channel.close(), CLOSE_TIMEOUT)
            except BrokerAwayError as error:
                LOG.debug("channel not closed", extra={"fields": {"reason": str(error)}})
