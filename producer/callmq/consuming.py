"""Consuming that comes back: a consumer is set up again after every loss of its channel, connection or queue."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelClosed

from callmq.connection import (
    BROKER_ERRORS,
    RPC_SECONDS,
    ForeignCancelError,
    Link,
    own_cancellation_only,
)
from callmq.errors import BrokerRefusedError, BrokerUnreachableError, ClientClosedError

_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 15.0
_SET_UP_SECONDS: Final = 15.0
_log = logging.getLogger("callmq")

Declare = Callable[[AbstractChannel], Awaitable[AbstractQueue]]
Receive = Callable[[AbstractIncomingMessage], None]


@dataclass(eq=False, slots=True)
class Session:
    """One consumer on one channel. ``lost`` is set when its channel, connection or queue went."""

    queue: str
    channel: AbstractChannel
    lost: asyncio.Event = field(default_factory=asyncio.Event)


class Consumer:
    """Keeps one consumer on the queue that ``declare`` makes; ``receive`` must not wait.

    ``prefetch`` None: nothing is to be acknowledged.
    """

    def __init__(self, link: Link, declare: Declare, receive: Receive, prefetch: int | None) -> None:
        """Keep what to consume; nothing is declared before ``start``."""
        self._link = link
        self._declare = declare
        self._receive = receive
        self._prefetch = prefetch
        self._session: Session | None = None
        self._changed = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Set the consumer up for the first time; raises `BrokerUnreachableError` or `BrokerRefusedError`."""
        self._show(await self._set_up())
        self._task = asyncio.create_task(self._keep(), name="callmq consumer")

    async def session(self) -> Session:
        """Return the present session, waiting for it while there is none; raises `ClientClosedError` once closed."""
        while True:
            if self._closed:
                raise ClientClosedError("The client was closed while it waited for a reply.")
            if self._session is not None and not self._session.lost.is_set():
                return self._session
            await self._changed.wait()

    async def close(self) -> None:
        """Stop; unacknowledged messages go back to their queue."""
        self._closed = True
        session, self._session = self._session, None
        self._changed.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if session is not None:
            session.lost.set()
            await _close(session.channel)

    def _show(self, session: Session) -> None:
        self._session = session
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep(self) -> None:
        failures = 0
        while True:
            session = self._session
            if session is not None and failures == 0:
                await session.lost.wait()
                await _close(session.channel)
            try:
                self._show(await self._set_up())
                failures = 0
            except (BrokerUnreachableError, BrokerRefusedError) as error:
                failures += 1
                _log.warning("no replies at present, trying again: %s", error)
                ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(failures, 16))
                await asyncio.sleep(ceiling * random.random())  # noqa: S311 - jitter, no secret

    async def _set_up(self) -> Session:
        connection = await self._link.open()
        try:
            with own_cancellation_only():
                async with asyncio.timeout(_SET_UP_SECONDS):
                    return await self._consume(connection)
        except ChannelClosed as error:
            raise BrokerRefusedError(f"The broker refused to deliver replies: {error}.") from error
        except (*BROKER_ERRORS, ForeignCancelError) as error:
            self._link.abandon(connection)
            raise BrokerUnreachableError("The connection to RabbitMQ broke off before replies could flow.") from error

    async def _consume(self, connection: AbstractConnection) -> Session:
        channel = await connection.channel(publisher_confirms=False)
        if self._prefetch is not None:
            await channel.set_qos(prefetch_count=self._prefetch)
        queue = await self._declare(channel)
        session = Session(queue.name, channel)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _frame: session.lost.set())
        underlay.closing.add_done_callback(lambda _closing: session.lost.set())

        async def receive(message: AbstractIncomingMessage) -> None:
            self._receive(message)

        await queue.consume(receive, no_ack=self._prefetch is None)
        return session


async def _close(channel: AbstractChannel) -> None:
    try:
        with own_cancellation_only():
            async with asyncio.timeout(RPC_SECONDS):
                await channel.close()
    except (*BROKER_ERRORS, ForeignCancelError):
        pass  # it is gone, which is what was wanted
