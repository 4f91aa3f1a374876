"""Which unknown command is meant, and its parked copies, held back while something is done about it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from callmq_worker.core import resolution
from callmq_worker.core.copies import Copy
from callmq_worker.core.record import RecordKey
from callmq_worker.operations.desk import Desk, Held, read
from callmq_worker.ports import Ledger

ALL: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Who:
    """Which command is meant: its key in an account, or the id of its reply, as lists show it."""

    wanted: str
    account: str


@dataclass(frozen=True, slots=True)
class Case:
    """One unknown command: its name in the ledger and its parked copies, held back."""

    key: RecordKey
    parked: tuple[Held, ...]

    @property
    def copy(self) -> Copy | None:
        """The first of them."""
        return self.parked[0].copy if self.parked else None

    async def clear(self) -> int:
        """Remove them and return how many they were."""
        for held in self.parked:
            await held.found.take()
        return len(self.parked)


async def find(ledger: Ledger, who: Who) -> RecordKey:
    """Return the record's name for a key, or for the reply's id that a list shows."""
    key = RecordKey(who.account, who.wanted)
    if await ledger.look(key) is not None:
        return key
    for record in await ledger.unknowns(ALL):
        if resolution.reply_id_of(record) == who.wanted:
            return RecordKey(record.account, record.key)
    return key


@asynccontextmanager
async def open_case(desk: Desk, who: Who) -> AsyncIterator[Case]:
    """Hold all parked copies of a key, or those of this id, which have no key or are no longer unknown."""
    key = await find(desk.ledger, who)
    by_key: list[Held] = []
    by_id: list[Held] = []
    async with desk.shelf.open(desk.names.unknown) as browsing:
        async for found in browsing:
            held = read(found)
            if held.copy.envelope.key is not None and key_of(held.copy) == key:
                by_key.append(held)
            elif held.copy.id == who.wanted:
                by_id.append(held)
        if by_key or not by_id:
            yield Case(key, tuple(by_key))
        else:
            yield Case(key_of(by_id[0].copy), _same_key(by_id))


def _same_key(held: Sequence[Held]) -> tuple[Held, ...]:
    return tuple(each for each in held if key_of(each.copy) == key_of(held[0].copy))


def key_of(copy: Copy) -> RecordKey:
    """Return the name of a copy's record; its key is empty where the command came without one."""
    return RecordKey(copy.envelope.account, copy.envelope.key or "")
