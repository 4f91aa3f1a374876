"""The producer's client: send, send_many, call, replies."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import replace
from types import TracebackType
from typing import Final, Self, Unpack

from callmq.address import parse_addresses
from callmq.awaiting import ReplyDesk, Waiter
from callmq.bulk import in_order
from callmq.connection import Link
from callmq.errors import ClientClosedError, InvalidCommandError, NotPublishedError, ReplyTimeoutError
from callmq.following import ReplyStream, Subscription
from callmq.message import AnyBody, Message, Options, new_id, prepare
from callmq.publishing import Publisher
from callmq.received import ReceivedReply
from callmq.results import Invalid, PublishResult, SendManyResult
from callmq_contracts.extra import ExtraCommands, parse_extra_commands
from callmq_contracts.finite import is_utf8
from callmq_contracts.names import PREFIX_PATTERN, Names

WINDOW: Final = 512
_MAX_APP_ID: Final = 255
_CLOSE_SECONDS: Final = 10.0


class Client:
    """A producer of commands and consumer of replies, for one event loop; use as an async context manager.

    ``url``: ``amqp://user:password@host/vhost``, ``amqps`` with ``?cafile=...``, several hosts separated by commas.
    ``app_id`` names the producing service: the first word of its replies' routing keys. ``publish_timeout`` and
    ``connect_timeout`` in seconds. ``max_waiting`` bounds the calls that wait at once; further ones wait for a place.
    ``extra_commands`` names commands that the catalogue does not know, as ``CALLMQ_EXTRA_COMMANDS`` does for workers:
    ``calling.new_thing=30s``. Raises `InvalidUrlError` or `ValueError` for what can't be right.
    """

    def __init__(
        self,
        url: str,
        *,
        app_id: str | None = None,
        prefix: str = "callmq",
        publish_timeout: float = 10.0,
        connect_timeout: float = 10.0,
        max_waiting: int = 10_000,
        extra_commands: str = "",
    ) -> None:
        """Read the URL; nothing is connected before ``async with``."""
        if not PREFIX_PATTERN.match(prefix):
            raise ValueError("prefix must be 1 to 64 letters, digits, '_' or '-'.")
        if app_id is not None and not (is_utf8(app_id) and 0 < len(app_id.encode()) <= _MAX_APP_ID):
            raise ValueError("app_id must be text of 1 to 255 bytes in UTF-8.")
        self._app_id = app_id
        self._extra = _extra_commands(extra_commands)
        self._names = Names(prefix)
        addresses = parse_addresses(url)
        who = app_id or "callmq"
        # Two connections: a broker that blocks publishers stops reading from theirs, and replies must go on.
        self._publishing = Link(addresses, f"{who}: publishes", connect_timeout)
        self._consuming = Link(addresses, f"{who}: consumes replies", connect_timeout)
        self._publisher = Publisher(self._publishing, self._names.commands, publish_timeout)
        self._max_waiting = max_waiting
        self._desk: ReplyDesk | None = None
        self._streams: set[ReplyStream] = set()
        self._entered = False

    @staticmethod
    def new_key() -> str:
        """Return a fresh idempotency key. Keep it with your intention: to repeat, use the same one again."""
        return new_id()

    async def __aenter__(self) -> Self:
        """Connect, trying every host once; raises `BrokerUnreachableError`."""
        self._desk = ReplyDesk(self._consuming, self._publisher, self._max_waiting)
        try:
            await self._publishing.open()
        except BaseException:
            await self._close()
            raise
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        """Close: calls that wait end with `ClientClosedError`, streams of replies end."""
        self._entered = False
        await self._close()

    async def send(self, body: AnyBody, *, key: str | None = None, **options: Unpack[Options]) -> PublishResult:
        """Publish one command and return what the broker said.

        ``key`` is the name of your intention, 1 to 255 visible ASCII characters: the same key never acts twice. Only
        commands that may be repeated go without. Raises `InvalidCommandError` before anything is sent, and
        `ClientClosedError`; whatever happens to the broker is in the result.
        """
        self._check_entered()
        return await self._publisher.publish(prepare(Message(body, key, **options), self._app_id, self._extra))

    async def send_many(
        self, messages: Iterable[Message | Invalid] | AsyncIterable[Message | Invalid], *, window: int = WINDOW
    ) -> AsyncIterator[SendManyResult]:
        """Publish many with up to ``window`` confirms outstanding; yield one result each, in their order.

        A message that breaks its contract gives `Invalid` and stops nothing; an `Invalid` among them is passed on in
        its place. Leaving the loop early cancels what is under way: those may have arrived.
        """
        self._check_entered()
        async with contextlib.aclosing(in_order(self._send_one, messages, window)) as results:
            async for result in results:
                yield result

    async def call(
        self,
        body: AnyBody,
        *,
        key: str | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 - a reply's time is part of the question
        final: bool = False,
        **options: Unpack[Options],
    ) -> ReceivedReply:
        """Publish one command and wait ``timeout`` seconds for its reply, whatever its outcome.

        An ``unknown`` reply is returned as it comes unless ``final``, which waits for the one that resolves it.
        Raises `InvalidCommandError`, `NotPublishedError` (certainly not published), `ReplyTimeoutError` (may have
        been done), `BrokerUnreachableError` or `BrokerRefusedError` (no reply queue, so nothing was published).
        ``reply_to`` is the client's own here.
        """
        desk = self._check_entered()
        outgoing = prepare(Message(body, key, **options), self._app_id, self._extra)
        outgoing = replace(outgoing, correlation_id=outgoing.correlation_id or new_id())
        waiter = Waiter(asyncio.get_running_loop().time() + timeout, final)
        try:
            return await desk.call(outgoing, waiter)
        except TimeoutError as error:
            if waiter.refusal is not None and not waiter.sent:
                raise NotPublishedError(waiter.refusal) from error
            raise ReplyTimeoutError(timeout, key, waiter.provisional) from error

    def replies(self, pattern: str = "#", queue: str | None = None) -> ReplyStream:
        """Follow replies: ``async for reply in client.replies("billing.#")``; see `ReplyStream`.

        ``pattern`` is a topic binding of ``<app_id>.<command>.<outcome>``. ``queue`` names a durable queue, in which
        replies wait while nobody listens; without it only what is published from now on is seen.
        """
        self._check_entered()
        stream = ReplyStream(self._consuming, Subscription(self._names.replies, pattern, queue), self._streams.discard)
        self._streams.add(stream)
        return stream

    async def _send_one(self, message: Message | Invalid) -> SendManyResult:
        if isinstance(message, Invalid):
            return message
        try:
            outgoing = prepare(message, self._app_id, self._extra)
        except InvalidCommandError as error:
            return Invalid(message.key, "", str(error), error.problem)
        return await self._publisher.publish(outgoing)

    def _check_entered(self) -> ReplyDesk:
        if not self._entered or self._desk is None:
            raise ClientClosedError("The client is not connected: use it inside 'async with Client(...) as client'.")
        return self._desk

    async def _close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*(stream.close() for stream in tuple(self._streams)))
                if self._desk is not None:
                    await self._desk.close()
                await self._publishing.close()
                await self._publisher.close()
                await self._consuming.close()


def _extra_commands(text: str) -> ExtraCommands:
    try:
        return parse_extra_commands(text)
    except ValueError as error:
        raise ValueError(f"extra_commands {error}.") from error
