"""Publications with their result: many unconfirmed at a time, each told by the broker's own word."""

import asyncio
import logging
import struct
import uuid
from contextlib import suppress
from itertools import takewhile
from typing import Final, cast

from aiormq.abc import AbstractConnection as Underlay
from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity

from callmq_worker.adapters import frames
from callmq_worker.adapters.amqp import TROUBLE, Connection, reason_of
from callmq_worker.adapters.content import Content
from callmq_worker.adapters.decoding import UnreadableError, properties
from callmq_worker.adapters.inlet import METHOD, Inlet
from callmq_worker.adapters.outlet import Outlet
from callmq_worker.core.publications import Publication
from callmq_worker.ports import Published

LOG: Final = logging.getLogger("callmq.publishing")
PUBLISH_TIMEOUT: Final = 5.0
RENEWAL: Final = 1.0  # seconds between two channels, where the broker refuses again and again
_ACK: Final = b"\x00\x3c\x00\x50"
_NACK: Final = b"\x00\x3c\x00\x78"
_RETURN: Final = b"\x00\x3c\x00\x32"
_WORDS: Final = {_ACK: Published.CONFIRMED, _NACK: Published.NACKED}
_CONFIRM: Final = struct.Struct(">QB")  # the number, and whether all before it are meant too


class RabbitPublisher:
    """Publishes on the session's own connection, one channel an exchange, so that a missing one closes only its own.

    What goes ``apart`` has a channel for its queue: one whose leader is silent holds up all that its channel carries.
    """

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._ways: dict[str, _Way] = {}
        self._lock = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    def use(self, connection: Connection | None) -> None:
        """Publish on this connection from now on; None: there is none at present."""
        self._connection = connection
        self._ways = {}

    async def publish(self, publication: Publication) -> Published:
        """Publish and wait for the broker's word."""
        transport = self._connection.transport if self._connection is not None else None
        if transport is None:
            return Published.BLOCKED
        flowing = False
        try:
            target = _target(publication)
            way = self._ways.get(target)
            if way is None or way.closed or not _flows(transport.connection):
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    await transport.connection.ready()  # not under its alarms: what is never written can't arrive later
                    flowing = True
                    way = await self._open(target)
            flowing = True
            return await self._hear(way, publication)
        except ChannelNotFoundEntity:
            return Published.ABSENT
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Published.UNKNOWN  # aiormq cancels its waiters when a connection dies
        except TROUBLE as error:
            LOG.debug("publication without an answer", extra={"fields": {"reason": reason_of(error)}})
            return Published.UNKNOWN if flowing else Published.BLOCKED

    async def _open(self, target: str) -> "_Way":
        async with self._lock:
            way = self._ways.get(target)
            if way is None or way.closed:
                if way is not None:
                    await way.ended()
                if self._connection is None:
                    raise OSError("not connected")
                channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                underlay = cast("Channel", await channel.get_underlay_channel())
                way = self._ways[target] = _Way(underlay, self._connection.inlet)
            return way

    async def _hear(self, way: "_Way", publication: Publication) -> Published:
        word = await way.publish(publication)
        if word is Published.NACKED:
            self._renew(_target(publication), way)
        return word

    def _renew(self, target: str, way: "_Way") -> None:
        """Publish on a fresh channel from now on.

        A channel that first met a queue while its leader's node was dying is refused until that node is back.
        """
        if self._ways.get(target) is way and way.age > RENEWAL:
            del self._ways[target]
            closing = asyncio.get_running_loop().create_task(way.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


def _target(publication: Publication) -> str:
    """Return what has a channel of its own."""
    return f" {publication.routing_key}" if publication.apart else publication.exchange


class _Way:
    """One confirming channel. Its sequence of publications is ours alone, and so are the broker's words about it.

    aiormq's own publish waits for a lock, a timer and two context managers a message, and encodes by name.
    """

    def __init__(self, channel: Channel, inlet: Inlet) -> None:
        self._channel = channel
        self._inlet = inlet
        self._name = uuid.uuid4().hex
        self._outlet = Outlet(channel)
        self._loop = asyncio.get_running_loop()
        self._largest = channel.connection.connection_tune.frame_max or frames.LARGEST
        self._opened_at = self._loop.time()
        self._count = 0
        self._waiting: dict[int, asyncio.Future[Published]] = {}
        self._returned: Content[None] | None = None
        inlet.attend(channel.number, self)
        channel.closing.add_done_callback(self._lost)

    @property
    def closed(self) -> bool:
        return self._outlet.closed

    @property
    def age(self) -> float:
        """Seconds since it was opened."""
        return self._loop.time() - self._opened_at

    async def close(self) -> None:
        """Wait for the broker's last words, and close the channel."""
        if self._waiting:
            await asyncio.wait(tuple(self._waiting.values()))
        if not self.closed:
            self._outlet.shut()
            with suppress(*TROUBLE, asyncio.CancelledError):
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    await self._channel.close()

    async def ended(self) -> None:
        """Wait until the library has answered the broker's close: before, it may give the number away too early."""
        await asyncio.wait((self._channel.closing,))

    def shut(self) -> None:
        """Write nothing more; who waits is told when the library says why the channel closed."""
        self._outlet.shut()

    async def publish(self, publication: Publication) -> Published:
        """Return what became of it, by the broker's word or by its silence."""
        number = self._count + 1
        message_id = f"{self._name}-{number}"  # unique, since returns are matched by it
        written = frames.publication(publication, message_id, self._outlet.number, self._largest)
        self._count = number
        told = self._waiting[number] = self._loop.create_future()
        self._outlet.write(written)
        patience = self._loop.call_later(PUBLISH_TIMEOUT, self._tell, number, Published.UNKNOWN)
        try:
            word: Published = await told
            return word
        finally:
            patience.cancel()
            self._waiting.pop(number, None)

    def take(self, kind: int, data: bytes, begin: int, end: int) -> bool:
        """Take the broker's words about publications, and what it returns."""
        if kind == METHOD:
            code = data[begin : begin + 4]
            if code == _RETURN:
                self._returned = Content(None)
                return True
            word = _WORDS.get(code)
            if word is None:
                return False
            number, flags = _CONFIRM.unpack_from(data, begin + 4)
            self._settle(number, multiple=bool(flags & 1), word=word)
            return True
        if self._returned is None:
            return False
        if self._returned.add(kind, data[begin:end]):
            header, self._returned = self._returned.header, None
            self._unroutable(header)
        return True

    def _settle(self, last: int, *, multiple: bool, word: Published) -> None:
        numbers = list(takewhile(lambda number: number <= last, self._waiting)) if multiple else (last,)
        for number in numbers:
            self._tell(number, word)

    def _unroutable(self, header: bytes) -> None:
        """Match what came back. It precedes its confirmation, which must not be taken for success."""
        try:
            name, _, number = (properties("", header).message_id or "").rpartition("-")
        except UnreadableError:
            name = number = ""
        if name == self._name:
            self._tell(int(number), Published.UNROUTABLE)
            return
        LOG.warning("a returned publication can't be matched: all that wait are in doubt")
        for waiting in tuple(self._waiting):
            self._tell(waiting, Published.UNKNOWN)

    def _tell(self, number: int, word: Published) -> None:
        told = self._waiting.pop(number, None)
        if told is not None and not told.done():
            told.set_result(word)

    def _lost(self, closing: "asyncio.Future[None]") -> None:
        self._inlet.leave(self._channel.number, self)
        error = None if closing.cancelled() else closing.exception()
        if self._waiting:
            reason = reason_of(error) if error is not None else "channel closed"
            LOG.debug("publications without an answer", extra={"fields": {"reason": reason}})
        word = Published.ABSENT if isinstance(error, ChannelNotFoundEntity) else Published.UNKNOWN
        for number in tuple(self._waiting):
            self._tell(number, word)


def _flows(connection: Underlay) -> bool:
    """Say whether the broker takes publications now: then nothing is waited for, and no timer is needed."""
    ready = connection.ready()
    try:
        ready.send(None)
    except StopIteration:
        return True
    ready.close()
    return False
