"""Publishing with confirms: whatever happens to the broker, the answer is one of five results."""

import asyncio
import math
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange
from aio_pika.exceptions import (
    ChannelClosed,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    DeliveryError,
    PublishError,
)

from callmq.connection import (
    BROKER_ERRORS,
    RPC_SECONDS,
    ForeignCancelError,
    Link,
    Shared,
    is_blocked,
    is_live,
    own_cancellation_only,
    until_unblocked,
)
from callmq.message import Outgoing
from callmq.results import Blocked, Confirmed, Nacked, PublishResult, Unknown, Unroutable
from callmq.tracing import publish_span
from callmq_contracts.envelope import CONTENT_TYPE

_PAUSE: Final = 0.2
_RENEWAL: Final = 1.0  # seconds between two channels, where the broker refuses again and again
_ALARM: Final = "the broker blocks publishers at present (a memory or disk alarm)"


class _NoExchangeError(Exception):
    """The channel could not be opened because the exchange does not exist."""


_SILENCE: Final = "The broker did not answer in time."


@dataclass(eq=False, slots=True)
class _Outlet:
    """An open channel whose exchange was there. ``unanswered`` counts publishes without the broker's word.

    ``alone``: whether it was a single one when the broker closed the channel, which then is the one that it refused.
    """

    connection: AbstractConnection
    channel: AbstractChannel
    exchange: AbstractExchange
    unanswered: int = 0
    opened_at: float = field(default_factory=time.monotonic)
    alone: bool | None = None

    @property
    def open(self) -> bool:
        return is_live(self.connection) and not self.channel.is_closed


@dataclass(slots=True)
class _Progress:
    """How far one publish got in its ``seconds``: ``outlet`` is set just before the first byte may leave."""

    seconds: float
    outlet: _Outlet | None = None


class Publisher:
    """Publishes to one exchange over one link. ``timeout`` in seconds bounds each publish as a whole."""

    def __init__(self, link: Link, exchange: str, timeout: float) -> None:
        """Keep where to publish; the channel is opened at the first publish."""
        self._link = link
        self._exchange = exchange
        self._timeout = timeout
        self._outlet: _Outlet | None = None
        self._suspect = False
        self._closing: set[asyncio.Future[None]] = set()
        self._line = asyncio.Lock()
        self._trouble = _SILENCE
        self._opening: Shared[_Outlet] = Shared(self._open)

    async def close(self) -> None:
        """Stop opening channels; the link closes those that are open."""
        await self._opening.stop()

    async def publish(self, outgoing: Outgoing, at_most: float = math.inf) -> PublishResult:
        """Publish once, in ``at_most`` seconds, and say what is known. Raises only when cancelled or closed."""
        message_id = uuid.uuid4().hex
        with publish_span(outgoing, message_id, self._exchange, self._link.address) as span:
            message = _message(outgoing, message_id, span.headers)
            result = await self._attempt(message, outgoing, min(self._timeout, at_most))
            span.end_with(result)
        return result

    async def _attempt(self, message: Message, outgoing: Outgoing, seconds: float) -> PublishResult:
        progress = _Progress(seconds)
        key, name, routing_key = outgoing.key, message.message_id or "", outgoing.routing_key
        result: PublishResult
        try:
            with own_cancellation_only():
                async with asyncio.timeout(seconds):
                    await self._deliver(message, routing_key, progress)
        except PublishError:
            result = Unroutable(key, name, f"No queue takes '{routing_key}' from the exchange '{self._exchange}'.")
        except DeliveryError:
            result = Nacked(key, name, "The broker refused the command: a queue is full, as a rule.")
            self._renew(progress.outlet)
        except _NoExchangeError:
            return Unroutable(key, name, self._no_exchange())
        except (*BROKER_ERRORS, ForeignCancelError) as error:
            return self._without_word(error, progress, key, name)
        else:
            result = Confirmed(key, name)
        if progress.outlet is not None:
            progress.outlet.unanswered -= 1
            self._let_go(progress.outlet)
        return result

    def _renew(self, outlet: _Outlet | None) -> None:
        """Publish on a fresh channel from now on.

        A channel that first met a queue while its leader's node was dying is refused until that node is back.
        """
        if outlet is not None and outlet is self._outlet and time.monotonic() - outlet.opened_at > _RENEWAL:
            self._outlet = None

    def _let_go(self, outlet: _Outlet) -> None:
        """Close a channel that another replaced, once nothing on it waits for the broker's word."""
        if outlet is not self._outlet and outlet.open and not outlet.unanswered:
            closing = asyncio.ensure_future(_closed(outlet.channel))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _deliver(self, message: Message, routing_key: str, progress: _Progress) -> None:
        while True:
            async with self._line:  # in the order of the calls, also while a channel is being opened
                outlet = await self._ready()
            outlet.unanswered += 1
            progress.outlet = outlet
            try:
                await outlet.exchange.publish(message, routing_key, mandatory=True)
            except ChannelInvalidStateError:  # raised before the first byte: the channel had closed meanwhile
                outlet.unanswered -= 1
                progress.outlet = None
                self._trouble = "The channel to the broker kept closing."
                await asyncio.sleep(0)
            else:
                return

    async def _ready(self) -> _Outlet:
        """Return an open channel on which the broker takes publishes, however often it takes to connect."""
        while True:
            outlet = self._outlet
            if outlet is None or not outlet.open or self._suspect:
                try:
                    outlet = await self._opening.get()
                except (*BROKER_ERRORS, ForeignCancelError) as error:
                    self._trouble = str(error) or "The broker opened no channel."
                    await asyncio.sleep(_PAUSE)
                    continue
            if not is_blocked(outlet.connection):
                self._trouble = _SILENCE
                return outlet
            self._trouble = f"Nothing went out: {_ALARM}."
            await until_unblocked(outlet.connection, outlet.channel)

    async def _open(self) -> _Outlet:
        """Open a channel and look whether the exchange is there; where a confirm was missed, the old one may answer."""
        outlet, suspect = self._outlet, self._suspect
        self._suspect = False
        if suspect and outlet is not None and outlet.open and await self._answers(outlet):
            return outlet
        connection = await self._link.open()
        try:
            with own_cancellation_only():
                async with asyncio.timeout(RPC_SECONDS):
                    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                    exchange = await channel.get_exchange(self._exchange, ensure=True)
        except ChannelNotFoundEntity as error:
            raise _NoExchangeError from error
        except (TimeoutError, ForeignCancelError):
            if not is_blocked(connection):
                self._link.abandon(connection)
            raise
        self._outlet = _Outlet(connection, channel, exchange)
        return self._outlet

    async def _answers(self, outlet: _Outlet) -> bool:
        """Ask the broker anything on this channel; a connection on which no answer comes is given up."""
        try:
            with own_cancellation_only():
                async with asyncio.timeout(RPC_SECONDS):
                    await outlet.channel.get_exchange(self._exchange, ensure=True)
        except ChannelClosed:
            return False
        except (*BROKER_ERRORS, ForeignCancelError):
            if not is_blocked(outlet.connection):
                self._link.abandon(outlet.connection)
            return False
        return True

    def _without_word(self, error: BaseException, progress: _Progress, key: str | None, name: str) -> PublishResult:
        outlet = progress.outlet
        if outlet is None:
            return Blocked(key, name, self._trouble)
        if isinstance(error, ChannelClosed):
            if outlet.alone is None:
                outlet.alone = outlet.unanswered == 1
            if outlet.alone and isinstance(error, ChannelNotFoundEntity):
                return Unroutable(key, name, self._no_exchange())
            return (Blocked if outlet.alone else Unknown)(key, name, f"The broker closed the channel: {error}.")
        if isinstance(error, TimeoutError):
            blocked = is_blocked(outlet.connection)
            self._suspect = self._suspect or not blocked
            return Unknown(key, name, f"No confirmation in {progress.seconds:g} s{': ' + _ALARM if blocked else ''}.")
        return Unknown(key, name, "The connection ended before the broker confirmed the command.")

    def _no_exchange(self) -> str:
        return f"There is no exchange '{self._exchange}' in the vhost '{self._link.address.vhost}'."


async def _closed(channel: AbstractChannel) -> None:
    with suppress(*BROKER_ERRORS, ForeignCancelError), own_cancellation_only():
        async with asyncio.timeout(RPC_SECONDS):
            await channel.close()


def _message(outgoing: Outgoing, message_id: str, trace_headers: dict[str, str]) -> Message:
    return Message(
        outgoing.body,
        headers={**outgoing.headers, **trace_headers},
        content_type=CONTENT_TYPE,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=message_id,
        timestamp=outgoing.timestamp,
        app_id=outgoing.app_id,
        correlation_id=outgoing.correlation_id,
        reply_to=outgoing.reply_to,
        user_id=outgoing.user_id,
    )
