"""The topology as data: what must exist on the broker. One description for declaring, verifying and exporting."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from callmq_contracts.envelope import ACCOUNT, CALL_ID
from callmq_contracts.names import DEFAULT_ACCOUNT, DIAL, Names
from callmq_worker.core.retry import Tier

# The broker's count rises by mere reconnects and decides nothing here: past it a message moves, it is not lost.
DELIVERY_LIMIT: Final = 20
# A lane that keeps order is put back whole at each probe of a paused account; its commands live four hours at most.
ORDERED_DELIVERY_LIMIT: Final = 2000
# A dial goes back untouched, once a worker at most, where it finds its slot far away.
WAITING_DELIVERY_LIMIT: Final = 100
# Parked and dead messages are browsed, and each look counts as a delivery.
NO_DELIVERY_LIMIT: Final = 2_147_483_647
CONTROL_LANE: Final = "control"
RETURNED_LANE: Final = "returned"
WAITING_LANE: Final = "waiting"
CONSISTENT_HASH: Final = "x-consistent-hash"
HASH_PLUGIN: Final = "rabbitmq_consistent_hash_exchange"
LIVE_KEYS: Final = ("update", "calling.#")
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
    """One binding to an exchange, of a queue or of another exchange: ``kind`` says which ``target`` is."""

    exchange: str
    target: str
    key: str
    arguments: dict[str, Any] = field(default_factory=dict)
    kind: str = "queue"


@dataclass(frozen=True, slots=True)
class Layout:
    """All of it. ``stale``: bindings of an earlier layout, which would deliver twice or astray."""

    exchanges: tuple[ExchangeSpec, ...] = ()
    queues: tuple[QueueSpec, ...] = ()
    bindings: tuple[Binding, ...] = ()
    stale: tuple[Binding, ...] = ()


class Shards(NamedTuple):
    """How many shards a control lane has.

    ``used``: commands go to so many, 1 is the lane itself; ``known``: with those that were used before.
    """

    used: int = 1
    known: int = 1


SINGLE: Final = Shards()


@dataclass(frozen=True, slots=True)
class Lane:
    """One queue that workers consume. ``ordered``: commands of one call take turns in it."""

    name: str
    queue: str
    ordered: bool = False


def lanes(names: Names) -> tuple[Lane, ...]:
    """Return the lanes that all accounts share, in the order in which they are opened."""
    return (
        Lane(DIAL, names.dial),
        Lane("unrouted", names.unrouted),
        Lane(RETURNED_LANE, names.returned),
    )


def control_lane(names: Names, account: str) -> Lane:
    """Return the lane of an account's commands on live calls."""
    return Lane(CONTROL_LANE, names.control_of(account), ordered=True)


def shard_lanes(names: Names, account: str, shards: Shards) -> tuple[Lane, ...]:
    """Return the shards of an account's control lane, none where it has no others than itself."""
    if shards.known == 1:
        return ()
    return tuple(Lane(CONTROL_LANE, names.control_shard(account, n + 1), ordered=True) for n in range(shards.known))


def control_lanes(names: Names, account: str, shards: Shards) -> tuple[Lane, ...]:
    """Return all lanes of an account's commands on live calls."""
    return (control_lane(names, account), *shard_lanes(names, account, shards))


def waiting_lane(names: Names, account: str, number: int) -> Lane:
    """Return one of the lanes in which an account's dials wait; they are fetched from it one by one."""
    return Lane(WAITING_LANE, names.dial_lane(account, number))


def dial_lanes(names: Names, account: str, count: int) -> Layout:
    """Return the queues of an account's waiting dials, which are made when they are first needed."""
    waiting = {
        **_quorum(WAITING_DELIVERY_LIMIT),
        **_dead_letters(names.returned),
        "x-dead-letter-routing-key": DIAL,  # they are published to it by the queue's own name
    }
    return Layout(queues=tuple(QueueSpec(names.dial_lane(account, n + 1), waiting) for n in range(count)))


def layout(names: Names, tiers: tuple[Tier, ...], accounts: Iterable[str] = (), shards: Shards = SINGLE) -> Layout:
    """Return what must exist under these names."""
    work = {**_quorum(DELIVERY_LIMIT), **_dead_letters(names.returned)}
    control = _live(names, sorted({*accounts, DEFAULT_ACCOUNT}), shards)
    exchanges = [
        ExchangeSpec(names.unrouted, "fanout"),
        ExchangeSpec(names.commands, "topic", {"alternate-exchange": names.unrouted}),
        ExchangeSpec(names.control, "fanout", {"alternate-exchange": names.unrouted}),  # while its queue is missing
        ExchangeSpec(names.live, "headers", {"alternate-exchange": names.control}),
        ExchangeSpec(names.returned, "fanout"),
        ExchangeSpec(names.dead, "topic"),
        ExchangeSpec(names.replies, "topic"),
        ExchangeSpec(names.events, "topic"),
        *control.exchanges,
    ]
    queues = [QueueSpec(names.dial, work), QueueSpec(names.unrouted, work), *control.queues, *_ends(names)]
    bindings = [
        Binding(names.commands, names.dial, DIAL),
        Binding(names.unrouted, names.unrouted, ""),
        Binding(names.returned, names.returned, ""),
        Binding(names.dead, names.dead, "#"),
        *control.bindings,
    ]
    stale = [*(Binding(names.commands, names.control, key) for key in LIVE_KEYS), *control.stale]
    # Last, so that nothing reaches an account's lane by the way around it.
    bindings += [Binding(names.commands, names.live, key, kind="exchange") for key in LIVE_KEYS]
    for tier in tiers:
        name = names.retry(tier.name)
        exchanges.append(ExchangeSpec(name, "fanout"))
        queues.append(_tier(names, tier))
        bindings.append(Binding(name, name, ""))
    return Layout(tuple(exchanges), tuple(queues), tuple(bindings), tuple(stale))


def _live(names: Names, accounts: Iterable[str], shards: Shards) -> Layout:
    """Return the control lanes of these accounts: each one queue, or with its shards and what spreads over them."""
    ordered = {
        **_quorum(ORDERED_DELIVERY_LIMIT),
        **_dead_letters(names.returned),
        "x-single-active-consumer": True,
    }
    exchanges, queues, bindings, stale = [], [], [], []
    for account in accounts:
        own = control_lanes(names, account, shards)
        queues += [QueueSpec(lane.queue, ordered) for lane in own]
        single, sharded = _entries(names, account)
        spread = [Binding(names.calls_of(account), lane.queue, "1") for lane in own[1:]]  # each the same weight
        if shards.used > 1:
            exchanges.append(_calls(names, account))
            bindings += [*spread[: shards.used], sharded]
            stale += [single, *spread[shards.used :]]
        else:
            bindings.append(single)
            stale += [sharded, *spread]
    return Layout(tuple(exchanges), tuple(queues), tuple(bindings), tuple(stale))


def _calls(names: Names, account: str) -> ExchangeSpec:
    around = {"alternate-exchange": names.unrouted}  # while its shards are missing
    return ExchangeSpec(names.calls_of(account), CONSISTENT_HASH, {"hash-header": CALL_ID, **around})


def _entries(names: Names, account: str) -> tuple[Binding, Binding]:
    """Return the two ways into an account's control lane: to its one queue, and to its shards."""
    around = (names.control, {}) if account == DEFAULT_ACCOUNT else (names.live, {"x-match": "all", ACCOUNT: account})
    exchange, arguments = around
    single = Binding(exchange, names.control_of(account), "", arguments)
    return single, Binding(exchange, names.calls_of(account), "", arguments, kind="exchange")


def _ends(names: Names) -> Iterable[QueueSpec]:
    """Return the queues of what left its lane and comes back to none by itself."""
    last_resort = {**_dead_letters(names.dead), "x-dead-letter-routing-key": "failed.delivery_limit"}
    yield QueueSpec(names.returned, {**_quorum(NO_DELIVERY_LIMIT), **last_resort})
    yield QueueSpec(names.dead, {**_quorum(NO_DELIVERY_LIMIT), "x-message-ttl": DEAD_RETENTION_MS})
    yield QueueSpec(names.unknown, _quorum(NO_DELIVERY_LIMIT))


def _tier(names: Names, tier: Tier) -> QueueSpec:
    waiting = {**_quorum(DELIVERY_LIMIT), **_dead_letters(names.commands), "x-message-ttl": tier.seconds * 1000}
    return QueueSpec(names.retry(tier.name), waiting)


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
                "destination": b.target,
                "destination_type": b.kind,
                "routing_key": b.key,
                "arguments": b.arguments,
            }
            for b in wanted.bindings
        ],
    }
