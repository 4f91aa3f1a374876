"""A worker in memory: engine, settler and flight over the in-memory ports, one per crash or per host."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from callmq_contracts.envelope import Properties
from callmq_contracts.names import Names
from callmq_worker.adapters.memory import ManualClock, MemoryLedger, MemoryStore
from callmq_worker.adapters.memory_broker import MemoryDispatcher, MemoryPublisher, MemoryReceipt, Turn, unwatched
from callmq_worker.adapters.otel_observer import NoObserver
from callmq_worker.controls import Controls
from callmq_worker.core.controls import NOTE
from callmq_worker.core.flow import Pace, Rates
from callmq_worker.core.note import amend
from callmq_worker.core.publications import Publication
from callmq_worker.core.record import RecordKey
from callmq_worker.core.retry import parse_tiers
from callmq_worker.dials import Dials
from callmq_worker.engine import Engine
from callmq_worker.flight import Flight, Permits
from callmq_worker.gates import Gates
from callmq_worker.pacing import Pacing
from callmq_worker.policy import Policy, Tools
from callmq_worker.ports import Delivery, LedgerAwayError, Published
from callmq_worker.settler import Means, Settler
from commands import DIAL, RULES, SECRET, properties

TIERS = parse_tiers("1s,5s,30s,2m,10m,1h")
NAMES = Names()
UNPACED = Rates(Pace(0.0))
KEY = RecordKey("default", "order-1")


class WatchedLedger(MemoryLedger):
    """A ledger in memory that can be away, before or after its commit, and is watched as the other ports are."""

    def __init__(self, clock: ManualClock, store: MemoryStore, watch=unwatched) -> None:
        super().__init__(clock.now, store)
        self.away: list[str] = []
        self._watch = watch

    async def transact(self, key, step):
        self._watch("transact")
        word = self.away.pop(0) if self.away else ""
        if word == "before":
            raise LedgerAwayError("of the test")
        verdict = await super().transact(key, step)
        if word == "after":
            raise LedgerAwayError("of the test: the commit's word was lost")
        self._watch("transacted")
        return verdict


@dataclass
class Hand:
    """One worker's hands: its ports, engine, settler and flight. ``words`` is all that happened, in order."""

    clock: ManualClock
    store: MemoryStore
    dispatcher: MemoryDispatcher
    publisher: MemoryPublisher
    watch: Any = unwatched
    owner: str = "worker-1"
    max_attempts: int = 8
    lease: float = 45.0
    http_deadline: float = 30.0
    rates: Rates = UNPACED
    concurrency: int = 10
    ledger: Any = None
    mend: Any = None
    controls: Any = None
    outcomes: Counter = field(default_factory=Counter)
    mended: int = 0

    def __post_init__(self) -> None:
        self.ledger = self.ledger or WatchedLedger(self.clock, self.store, self.watch)
        self.controls = self.controls or Controls(self.ledger, self.clock, patience=math.inf)
        pacing = Pacing(self.ledger, self.clock)
        self.gates = Gates(self.clock, 15.0, pacing)
        policy = Policy(
            self.owner, RULES, TIERS, self.lease, self.http_deadline, self.max_attempts, 15.0, self.rates,
            self.concurrency,
        )  # fmt: skip
        observer = NoObserver()
        tools = Tools(self.ledger, self.dispatcher, self.clock, observer, self.gates, self.controls, SECRET)
        self.engine = Engine(policy, tools)
        means = Means(
            self.ledger, self.publisher, self.clock, observer, NAMES, TIERS, self.mend or self._mend, SECRET
        )  # fmt: skip
        self.settler = Settler(means, lambda command, outcome: self.outcomes.update([(command, outcome)]))
        self.dials = Dials(NAMES, self.rates, sorted(RULES.accounts), 4, pacing, tools)
        self.flight = Flight(self.engine, self.settler, self.dials, Permits(self.concurrency), lambda: None)

    def _mend(self) -> None:
        self.mended += 1

    async def tell(self, change: Any) -> None:
        """Let an operator say something, and the worker hear it."""
        await self.ledger.transact(NOTE, amend(NOTE, change))
        await self.controls.look()

    async def carry(self, delivery: Delivery, *, ordered: bool = False) -> str | None:
        """Follow a delivery to its settlement, in this task; return how it was settled."""
        await self.flight._carry(delivery, ordered=ordered)
        return delivery.receipt.settled


def delivery(
    clock: ManualClock, body: Any = DIAL, given: Properties | None = None, *, watch=unwatched, **more: Any
) -> Delivery:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    given = given or properties(body["command"])
    lane = more.pop("lane", "dial")
    return Delivery(lane, f"callmq.{lane}", "callmq.commands", data, given, MemoryReceipt(watch), clock.now(), **more)


def again(copy: Publication) -> Properties:
    """Return the properties of a copy as it comes back from its tier."""
    return Properties(
        routing_key=copy.routing_key,
        content_type=copy.content_type,
        message_id="of the copy",
        correlation_id=copy.correlation_id,
        reply_to=copy.reply_to,
        app_id=copy.app_id,
        timestamp=copy.timestamp,
        headers=dict(copy.headers),
    )


def waiting(publication: Publication) -> bool:
    return publication.exchange.startswith("callmq.retry.")


def kept(publication: Publication) -> bool:
    return publication.exchange == "callmq.dead" or publication.routing_key == "callmq.unknown"


def replies(publications: list[Publication]) -> list[dict[str, Any]]:
    return [orjson.loads(p.body) for p in publications if p.exchange == "callmq.replies"]


def tier_seconds(publication: Publication) -> int:
    name = publication.exchange.rpartition(".")[2]
    return next(t.seconds for t in TIERS if t.name == name)


class Story:
    """One worker in memory, and the words of all that it did, in order."""

    def __init__(self, *turns: Turn, results: tuple[Published, ...] = (), **more) -> None:
        self.words: list[str] = []
        watch = self.words.append
        self.clock = ManualClock(auto=True)
        self.dispatcher = MemoryDispatcher(turns, watch)
        self.publisher = MemoryPublisher(results, watch)
        self.store = MemoryStore()
        self.hand = Hand(self.clock, self.store, self.dispatcher, self.publisher, watch, **more)

    def delivery(self, body=DIAL, given=None, **more):
        return delivery(self.clock, body, given, watch=self.words.append, **more)

    async def carry(self, body=DIAL, given=None, **more) -> str | None:
        ordered = more.pop("ordered", False)
        return await self.hand.carry(self.delivery(body, given, **more), ordered=ordered)

    @property
    def replies(self):
        return replies(self.publisher.taken)

    @property
    def endings(self):
        return [(r["outcome"], r["problem"]["code"] if r["problem"] else None, r["attempts"]) for r in self.replies]

    @property
    def record(self):
        return self.store.records.get(KEY)
