"""Declares, mends and verifies the topology, each thing on a channel that its failure may close."""

from collections.abc import Awaitable, Callable
from typing import Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractQueue
from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionCommandInvalid,
)

from callmq_worker.adapters.amqp import bounded
from callmq_worker.core.comparison import name_of
from callmq_worker.core.layout import Binding, ExchangeSpec, Layout, QueueSpec
from callmq_worker.ports import BrokerAwayError

REFUSED: Final = "this user may not create it: create it (callmq topology export shows how) or grant 'configure'"
DIFFERENT: Final = "it exists with other settings: delete it, or use another CALLMQ_PREFIX"
RESERVED: Final = "amq.callmq"  # nobody may make it, which is told only after its type was looked at
Call = Callable[[AbstractChannel], Awaitable[object]]


class _Channels:
    """Hands out a channel that works: a refused call closes the one it was made on."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._channel: AbstractChannel | None = None

    async def attempt(self, call: Call) -> BaseException | None:
        """Make one call; return the broker's refusal, or None. Raises `BrokerAwayError` for anything else."""
        if self._channel is None or self._channel.is_closed:
            self._channel = await bounded(self._connection.channel(publisher_confirms=False))
        try:
            await bounded(call(self._channel))
        except BrokerAwayError as error:
            cause = error.__cause__
            if isinstance(cause, ChannelAccessRefused | ChannelNotFoundEntity | ChannelPreconditionFailed):
                return cause
            raise
        return None

    async def close(self) -> None:
        if self._channel is not None and not self._channel.is_closed:
            await bounded(self._channel.close())


async def offers(connection: AbstractConnection, kind: str) -> bool:
    """Say whether there are exchanges of this type. Raises `BrokerAwayError`.

    Where there are none, RabbitMQ 3 closes the connection and RabbitMQ 4 the channel.
    """
    channel = await bounded(connection.channel(publisher_confirms=False))
    try:
        await bounded(channel.declare_exchange(RESERVED, kind))
    except BrokerAwayError as error:
        if isinstance(error.__cause__, ConnectionCommandInvalid | ChannelPreconditionFailed):
            return False
        if not isinstance(error.__cause__, ChannelAccessRefused):
            raise
    return True


async def declare(connection: AbstractConnection, layout: Layout) -> tuple[str, ...]:
    """Declare and bind everything; return a sentence for each thing that is not as it must be."""
    channels = _Channels(connection)
    faults = []
    for what, name, make, find in _steps(layout):
        refusal = await channels.attempt(make)
        if isinstance(refusal, ChannelPreconditionFailed):
            faults.append(f"{what} '{name}': {DIFFERENT}.")
        elif refusal is not None and (find is None or await channels.attempt(find) is not None):
            faults.append(f"{what} '{name}' is missing, and {REFUSED}.")
    await channels.close()
    return tuple(faults)


async def verify(connection: AbstractConnection, layout: Layout) -> tuple[str, ...]:
    """Look, changing nothing; return a sentence for each exchange or queue that is missing."""
    channels = _Channels(connection)
    faults = []
    for what, name, _make, find in _steps(layout):
        if find is not None and await channels.attempt(find) is not None:
            faults.append(f"{what} '{name}' is missing.")
    await channels.close()
    return tuple(faults)


def _steps(layout: Layout) -> list[tuple[str, str, Call, Call | None]]:
    steps: list[tuple[str, str, Call, Call | None]] = []
    steps += [("exchange", e.name, _make_exchange(e), _find_exchange(e)) for e in layout.exchanges]
    steps += [("queue", q.name, _make_queue(q), _find_queue(q)) for q in layout.queues]
    steps += [("binding", name_of(b), _drop_binding(b), None) for b in layout.stale]
    steps += [("binding", name_of(b), _make_binding(b), None) for b in layout.bindings]
    return steps


def _make_exchange(spec: ExchangeSpec) -> Call:
    kind = ExchangeType(spec.kind)
    return lambda channel: channel.declare_exchange(spec.name, kind, durable=True, arguments=spec.arguments or None)


def _find_exchange(spec: ExchangeSpec) -> Call:
    return lambda channel: channel.declare_exchange(spec.name, passive=True)


def _make_queue(spec: QueueSpec) -> Call:
    return lambda channel: channel.declare_queue(spec.name, durable=True, arguments=spec.arguments)


def _find_queue(spec: QueueSpec) -> Call:
    return lambda channel: channel.declare_queue(spec.name, passive=True)


def _make_binding(spec: Binding) -> Call:
    async def bind(channel: AbstractChannel) -> None:
        target = await _target(channel, spec)
        await target.bind(spec.exchange, spec.key, arguments=spec.arguments or None)

    return bind


def _drop_binding(spec: Binding) -> Call:
    async def unbind(channel: AbstractChannel) -> None:
        target = await _target(channel, spec)
        await target.unbind(spec.exchange, spec.key, arguments=spec.arguments or None)

    return unbind


async def _target(channel: AbstractChannel, spec: Binding) -> AbstractQueue | AbstractExchange:
    if spec.kind == "exchange":
        return await channel.get_exchange(spec.target, ensure=False)
    return await channel.get_queue(spec.target, ensure=False)
