"""The topology as data: what must exist on the broker. One description for declaring, verifying and exporting."""

from dataclasses import dataclass, field
from typing import Any, Final

from callmq_contracts.names import DIAL, Names
from callmq_worker.core.retry import Tier

# The broker's count rises by mere reconnects and decides nothing here: past it a message moves, it is not lost.
DELIVERY_LIMIT: Final = 20
# A lane that keeps order is put back whole at each probe of a paused account; its commands live four hours at most.
ORDERED_DELIVERY_LIMIT: Final = 2000
# Parked and dead messages are browsed, and each look counts as a delivery.
NO_DELIVERY_LIMIT: Final = 2_147_483_647
RETURNED_LANE: Final = "returned"
DEAD_RETENTION_MS: Final = 7 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class ExchangeSpec:
    """One durable exchange."""

    name: str
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """One durable quorum queue."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    """One binding of a queue to an exchange."""

    exchange: str
    queue: str
    key: str


@dataclass(frozen=True, slots=True)
class Layout:
    """All of it."""

    exchanges: tuple[ExchangeSpec, ...]
    queues: tuple[QueueSpec, ...]
    bindings: tuple[Binding, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One queue that workers consume. ``ordered``: commands of one call take turns in it."""

    name: str
    queue: str
    ordered: bool = False


def lanes(names: Names) -> tuple[Lane, ...]:
    """Return the lanes, in the order in which they are opened."""
    return (
        Lane("control", names.control, ordered=True),
        Lane(DIAL, names.dial),
        Lane("unrouted", names.unrouted),
        Lane(RETURNED_LANE, names.returned),
    )


def layout(names: Names, tiers: tuple[Tier, ...]) -> Layout:
    """Return what must exist under these names."""
    work = {**_quorum(DELIVERY_LIMIT), **_dead_letters(names.returned)}
    last_resort = {**_dead_letters(names.dead), "x-dead-letter-routing-key": "failed.delivery_limit"}
    exchanges = [
        ExchangeSpec(names.unrouted, "fanout"),
        ExchangeSpec(names.commands, "topic", {"alternate-exchange": names.unrouted}),
        ExchangeSpec(names.returned, "fanout"),
        ExchangeSpec(names.dead, "topic"),
        ExchangeSpec(names.replies, "topic"),
        ExchangeSpec(names.events, "topic"),
    ]
    queues = [
        QueueSpec(names.dial, work),
        QueueSpec(
            names.control,
            {**work, "x-delivery-limit": ORDERED_DELIVERY_LIMIT, "x-single-active-consumer": True},
        ),
        QueueSpec(names.unrouted, work),
        QueueSpec(names.returned, {**_quorum(NO_DELIVERY_LIMIT), **last_resort}),
        QueueSpec(names.dead, {**_quorum(NO_DELIVERY_LIMIT), "x-message-ttl": DEAD_RETENTION_MS}),
        QueueSpec(names.unknown, _quorum(NO_DELIVERY_LIMIT)),
    ]
    bindings = [
        Binding(names.commands, names.dial, DIAL),
        Binding(names.commands, names.control, "update"),
        Binding(names.commands, names.control, "calling.#"),
        Binding(names.unrouted, names.unrouted, ""),
        Binding(names.returned, names.returned, ""),
        Binding(names.dead, names.dead, "#"),
    ]
    for tier in tiers:
        name = names.retry(tier.name)
        exchanges.append(ExchangeSpec(name, "fanout"))
        waiting = {**_quorum(DELIVERY_LIMIT), **_dead_letters(names.commands), "x-message-ttl": tier.seconds * 1000}
        queues.append(QueueSpec(name, waiting))
        bindings.append(Binding(name, name, ""))
    return Layout(tuple(exchanges), tuple(queues), tuple(bindings))


def _quorum(delivery_limit: int) -> dict[str, Any]:
    return {"x-queue-type": "quorum", "x-delivery-limit": delivery_limit}


def _dead_letters(exchange: str) -> dict[str, Any]:
    # All three are needed, or dead-lettering is at most once.
    return {
        "x-dead-letter-exchange": exchange,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def definitions(wanted: Layout, vhost: str) -> dict[str, Any]:
    """Return the layout in the broker's own definitions format, to be imported by whoever may."""
    flags = {"vhost": vhost, "durable": True, "auto_delete": False}
    return {
        "exchanges": [
            {"name": e.name, "type": e.kind, "internal": False, "arguments": e.arguments, **flags}
            for e in wanted.exchanges
        ],
        "queues": [{"name": q.name, "arguments": q.arguments, **flags} for q in wanted.queues],
        "bindings": [
            {
                "source": b.exchange,
                "vhost": vhost,
                "destination": b.queue,
                "destination_type": "queue",
                "routing_key": b.key,
                "arguments": {},
            }
            for b in wanted.bindings
        ],
    }
