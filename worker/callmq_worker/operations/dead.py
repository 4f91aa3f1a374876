"""The dead letters: look, publish again, remove."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from callmq_contracts.names import Names
from callmq_worker.core.copies import Copy, page, row
from callmq_worker.core.record import RecordKey
from callmq_worker.core.replay import Replayable, Stays, Terms, republication, weigh
from callmq_worker.operations.desk import ActError, Desk, Held, NotReachedError, Shelf, read
from callmq_worker.ports import Published


@dataclass(frozen=True, slots=True)
class Selection:
    """Which copies are meant: all that is given must hold. ``older_than`` in seconds."""

    id: str | None = None
    code: str | None = None
    key: str | None = None
    campaign: str | None = None
    older_than: float | None = None

    def takes(self, copy: Copy, now: float) -> bool:
        """Say whether this copy is meant. ``code`` is a code, an outcome, or both (``rejected.refused``)."""
        if self.older_than is not None and (copy.received_at is None or now - copy.received_at <= self.older_than):
            return False
        return (
            self.id in (None, copy.id)
            and self.code in (None, copy.code, copy.outcome, copy.reason)
            and self.key in (None, copy.envelope.key)
            and self.campaign in (None, copy.envelope.campaign)
        )


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one selected copy: ``why`` it stays, or the key under which it was published."""

    copy: Copy
    key: str | None = None
    why: str | None = None

    def row(self) -> dict[str, Any]:
        """Return what is printed."""
        shown = row(self.copy)
        renamed = self.key if self.key != self.copy.envelope.key else None
        verdict = {"replayed": self.why is None, "new_key": renamed, "why": self.why}
        return {name: shown[name] for name in ("id", "routing_key", "key", "command")} | verdict


async def listing(
    shelf: Shelf, names: Names, selection: Selection, limit: int, now: float
) -> tuple[list[dict[str, Any]], int]:
    """Return rows of up to ``limit`` selected copies, oldest first, and how many messages the queue has."""
    rows: list[dict[str, Any]] = []
    async with shelf.open(names.dead) as browsing:
        if limit > 0:
            async for found in browsing:
                copy = read(found).copy
                if selection.takes(copy, now):
                    rows.append(row(copy))
                if len(rows) >= limit:
                    break
        return rows, browsing.depth


async def show(shelf: Shelf, queue: str, wanted: str, *, body: bool) -> dict[str, Any]:
    """Return the copy with this id, or at this position of the queue. Raises `ActError` where there is none."""
    async with shelf.open(queue) as browsing:
        async for found in browsing:
            copy = read(found).copy
            if wanted in (copy.id, str(copy.position)):
                return page(copy, body=body)
    raise ActError(f"There is no copy of that id or position in '{queue}': 'list' shows those that are.")


async def replay(desk: Desk, selection: Selection, terms: Terms, limit: int) -> AsyncGenerator[Replayed, None]:
    """Publish up to ``limit`` selected copies again, each confirmed before its copy goes; yield each as it is done.

    Raises `NotReachedError` at the first publication that the broker does not confirm: that copy stays.
    """
    met = 0
    async with desk.shelf.open(desk.names.dead) as browsing:
        async for found in browsing:
            held = read(found)
            if met < limit and selection.takes(held.copy, desk.clock.now()):
                yield await _replay(desk, held, terms)
                met += 1
            if met >= limit:
                return


async def _replay(desk: Desk, held: Held, terms: Terms) -> Replayed:
    copy, now = held.copy, desk.clock.now()
    key = copy.envelope.key
    record = await desk.ledger.look(RecordKey(copy.envelope.account, key)) if key is not None else None
    verdict = weigh(copy, record, terms, now)
    if isinstance(verdict, Stays):
        return Replayed(copy, why=verdict.why)
    await _publish(desk, copy, verdict, terms, now)
    await held.found.take()
    return Replayed(copy, key=verdict.key)


async def _publish(desk: Desk, copy: Copy, verdict: Replayable, terms: Terms, now: float) -> None:
    again = republication(copy, desk.names, verdict.key, terms.expires_at, now, desk.user)
    published = await desk.publisher.publish(again)
    if published is not Published.CONFIRMED:
        raise NotReachedError(
            f"The broker did not confirm the command ({published.value}): copy {copy.id} stays in "
            f"'{desk.names.dead}'. Look at the broker and run this again: a key acts once."
        )


async def purge(shelf: Shelf, names: Names, selection: Selection, now: float, *, really: bool) -> int:
    """Remove all selected copies for good and return how many; not ``really``: only count them."""
    count = 0
    async with shelf.open(names.dead) as browsing:
        async for found in browsing:
            if selection.takes(read(found).copy, now):
                count += 1
                if really:
                    await found.take()
    return count
