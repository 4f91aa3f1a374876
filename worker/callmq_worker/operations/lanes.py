"""What lanes look like now: asked of the broker and of the ledger, and nothing changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from callmq_contracts.names import Names
from callmq_worker.core import berths, pacing, trouble
from callmq_worker.core.crew import KnownShards
from callmq_worker.core.flow import Rates
from callmq_worker.core.layout import Shards, control_lanes, dial_lanes, lanes
from callmq_worker.core.note import amend, content, note_key
from callmq_worker.core.retry import Tier
from callmq_worker.core.view import AccountView, Depth, Outlook, account_rows, shared_row
from callmq_worker.operations.controls import standing
from callmq_worker.operations.topology import Listing
from callmq_worker.ports import Ledger


class Depths(Protocol):
    """How much lies in queues. All raise `BrokerAwayError`."""

    async def depth(self, queue: str) -> tuple[int, int] | None:
        """Return what waits in a queue and its consumers, None where there is no such queue."""
        ...

    async def head(self, queue: str) -> float | None:
        """Return when the first message was published, in seconds; it counts as one delivery of it."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look at. ``all``: the lanes that accounts share as well; ``oldest``: at the first dials of queues too."""

    names: Names
    accounts: tuple[str, ...]
    tiers: tuple[Tier, ...]
    rates: Rates
    all: bool = True
    oldest: bool = False
    masked: bool = True


class Survey:
    """Looks once. ``listing``: the management API, where there is one."""

    def __init__(self, asked: Asked, ledger: Ledger, depths: Depths, listing: Listing | None) -> None:
        self._asked = asked
        self._ledger = ledger
        self._depths = depths
        self._listing = listing
        self._listed: Mapping[str, Mapping[str, Any]] = {}

    async def rows(self) -> list[dict[str, Any]]:
        """Return a row for each account and lane. Raises `BrokerAwayError`, `LedgerAwayError` and `ActError`."""
        asked, ledger = self._asked, self._ledger
        if self._listing is not None:
            self._listed = {str(queue.get("name")): queue for queue in await self._listing.listed("queues")}
        stands = await standing(ledger)
        clock = note_key(trouble.NOTE)
        now = await ledger.transact(clock, amend(clock, lambda _said, time: (None, time)))
        outlook = Outlook(asked.rates, now, stands, asked.masked)
        rows = []
        for account in asked.accounts:
            rows += account_rows(await self._account(account, now), outlook)
        for lane in lanes(asked.names) if asked.all else ():
            rows.append(shared_row(lane.name, lane.queue, await self._depth(lane.queue), now))
        for tier in asked.tiers if asked.all else ():
            queue = asked.names.retry(tier.name)
            rows.append(shared_row("retry", queue, await self._depth(queue), now, consumed=False))
        return rows

    async def _account(self, account: str, now: float) -> AccountView:
        names = self._asked.names
        noted = berths.read(await self._said(berths.NOTE, account))
        waiting = {
            queue.name: await self._depth(queue.name, look=self._asked.oldest)
            for queue in dial_lanes(names, account, len(noted)).queues
        }
        known = Shards(known=KnownShards.count(await self._said(KnownShards.NOTE)))
        return AccountView(
            account,
            {lane.queue: await self._depth(lane.queue) for lane in control_lanes(names, account, known)},
            waiting,
            noted,
            pacing.read(await self._said(pacing.NOTE, account)),
            tuple(trouble.reasons(trouble.read(await self._said(trouble.NOTE, account), now))),
        )

    async def _said(self, note: str, account: str = "") -> bytes | None:
        return content(await self._ledger.look(note_key(note, account)))

    async def _depth(self, queue: str, *, look: bool = False) -> Depth:
        found = await self._depths.depth(queue)
        if found is None:
            return Depth(None)
        waiting, consumers = found
        in_flight = self._listed.get(queue, {}).get("messages_unacknowledged")
        oldest = await self._depths.head(queue) if look and waiting else None
        return Depth(waiting, consumers, in_flight if isinstance(in_flight, int) else None, oldest)
