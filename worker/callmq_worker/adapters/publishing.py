"""Publications with their result: many unconfirmed at a time, each told by the broker's own word."""

import asyncio
import logging
import uuid
from typing import Final, cast

from aio_pika.abc import AbstractConnection
from aiormq.abc import AbstractConnection as Underlay
from aiormq.abc import ConfirmationFrameType
from aiormq.channel import Channel
from aiormq.exceptions import ChannelNotFoundEntity, DeliveryError, PublishError

from callmq_worker.adapters import frames
from callmq_worker.adapters.amqp import TROUBLE, reason_of
from callmq_worker.adapters.outlet import Outlet
from callmq_worker.core.publications import Publication
from callmq_worker.ports import Published

LOG: Final = logging.getLogger("callmq.publishing")
PUBLISH_TIMEOUT: Final = 5.0


class RabbitPublisher:
    """Publishes on the session's own connection, one channel an exchange, so that a missing one closes only its own."""

    def __init__(self) -> None:
        self._connection: AbstractConnection | None = None
        self._ways: dict[str, _Way] = {}
        self._lock = asyncio.Lock()

    def use(self, connection: AbstractConnection | None) -> None:
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
            way = self._ways.get(publication.exchange)
            if way is None or way.closed or not _flows(transport.connection):
                async with asyncio.timeout(PUBLISH_TIMEOUT):
                    await transport.connection.ready()  # not under its alarms: what is never written can't arrive later
                    flowing = True
                    way = await self._open(publication.exchange)
            flowing = True
            await way.publish(publication)
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
            return Published.UNKNOWN if flowing else Published.BLOCKED
        return Published.CONFIRMED

    async def _open(self, exchange: str) -> "_Way":
        async with self._lock:
            way = self._ways.get(exchange)
            if way is None or way.closed:
                if self._connection is None:
                    raise OSError("not connected")
                channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                way = self._ways[exchange] = _Way(cast("Channel", await channel.get_underlay_channel()))
            return way


class _Way:
    """One confirming channel. Its sequence of publications is ours alone, and aiormq matches the broker's words to it.

    aiormq's own publish waits for a lock, a timer and two context managers a message, and encodes by name.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._name = uuid.uuid4().hex
        self._outlet = Outlet(channel)
        self._loop = asyncio.get_running_loop()
        self._largest = channel.connection.connection_tune.frame_max
        channel.closing.add_done_callback(self._lost)

    @property
    def closed(self) -> bool:
        return self._channel.is_closed

    async def publish(self, publication: Publication) -> None:
        """Return when the broker has it. Raises what aiormq says of a return, a nack or a closed channel."""
        channel = self._channel
        if channel.is_closed:
            raise OSError("channel closed")
        message_id = f"{self._name}-{channel.delivery_tag + 1}"  # unique, since returns are matched by it
        written = frames.publication(publication, message_id, channel.number, self._largest)
        channel.delivery_tag += 1
        confirmed: asyncio.Future[ConfirmationFrameType] = self._loop.create_future()
        channel.confirmations[channel.delivery_tag] = confirmed
        channel.message_id_delivery_tag[message_id] = channel.delivery_tag
        self._outlet.write(written)
        patience = self._loop.call_later(PUBLISH_TIMEOUT, _give_up, confirmed)
        try:
            await confirmed
        finally:
            patience.cancel()
            channel.message_id_delivery_tag.pop(message_id, None)

    def _lost(self, closing: "asyncio.Future[None]") -> None:
        error = None if closing.cancelled() else closing.exception()
        for confirmed in self._channel.confirmations.values():
            if not confirmed.done():
                confirmed.set_exception(error if isinstance(error, Exception) else OSError("channel closed"))


def _flows(connection: Underlay) -> bool:
    """Say whether the broker takes publications now: then nothing is waited for, and no timer is needed."""
    ready = connection.ready()
    try:
        ready.send(None)
    except StopIteration:
        return True
    ready.close()
    return False


def _give_up(confirmed: "asyncio.Future[ConfirmationFrameType]") -> None:
    if not confirmed.done():
        confirmed.set_exception(TimeoutError())
