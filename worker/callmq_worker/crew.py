"""This worker among the others: it says that it is there, and hears which shards another should have."""

import logging
from collections.abc import Callable
from itertools import count
from typing import Final, NamedTuple

from callmq_worker.core import crew, note
from callmq_worker.core.crew import KnownShards, Presence
from callmq_worker.core.layout import Shards
from callmq_worker.ports import Clock, Ledger, LedgerAwayError

LOG = logging.getLogger("callmq.crew")
BEAT: Final = 1.0
BEATS_TO_COUNT: Final = 3600  # a note that nobody writes is purged after the retention
NOTE: Final = note.note_key(crew.NOTE)


async def count_shards(ledger: Ledger, used: int) -> Shards:
    """Return how many shards there are, where so many are to be used. Raises `LedgerAwayError`."""
    key = note.note_key(KnownShards.NOTE)
    return Shards(used, await ledger.transact(key, note.amend(key, KnownShards(used))))


class Opening(NamedTuple):
    """One opening of a shard by a worker; its later ones have higher numbers."""

    owner: str
    number: int


class Crew:
    """What this worker knows of all of them.

    ``wanted``: the shards that the settings ask for; ``offered``: whether the broker has what they need; ``changed`` is
    called when other workers should have other shards.
    """

    def __init__(self, ledger: Ledger, clock: Clock, owner: str, shards: Shards) -> None:
        self._ledger = ledger
        self._clock = clock
        self._owner = owner
        self._numbers: dict[str, int] = {}
        self._open: set[str] = set()
        self._openings: dict[str, Opening] = {}
        self.wanted = shards
        self.offered = False
        self.changed: Callable[[], None] = lambda: None

    @property
    def shards(self) -> Shards:
        """The shards that there are: without the plugin none is used, and what lies in them is still worked off."""
        return self.wanted if self.offered else self.wanted._replace(used=1)

    def opened(self, queue: str) -> None:
        """Note that this worker has a shard open, behind those that had it open before."""
        if queue in self._open:
            return
        self._numbers[queue] = self._numbers.get(queue, 0) + 1
        self._open.add(queue)

    def closed(self, queue: str) -> None:
        """Note that it has closed a shard."""
        self._open.discard(queue)

    def rival(self, queue: str) -> Opening | None:
        """Return the opening by the worker that should have a shard; None: it is this one, or has it not open."""
        return self._openings.get(queue)

    async def keep(self) -> None:
        """Say each second that this worker is there, until cancelled."""
        fault: str | None = None
        for beat in count():
            if self.shards.known > 1:
                try:
                    if beat % BEATS_TO_COUNT == 0:
                        await count_shards(self._ledger, self.wanted.used)
                    await self.look()
                    fault = None
                except LedgerAwayError as error:
                    if fault is None:
                        LOG.warning("other workers not heard", extra={"fields": {"reason": str(error)}})
                    fault = str(error)
                except Exception:
                    LOG.exception("other workers not heard, and asked for again")
            await self._clock.sleep(BEAT)

    async def look(self) -> None:
        """Say once that this worker is there, and hear who is. Raises `LedgerAwayError`."""
        presence = Presence(self._owner, {queue: self._numbers[queue] for queue in self._open})
        members = await self._ledger.transact(NOTE, note.amend(NOTE, presence))
        owners = crew.assigned({owner: member.openings for owner, member in members.items()})
        openings = {
            queue: Opening(owner, members[owner].openings[queue])
            for queue, owner in owners.items()
            if owner != self._owner
        }
        if openings != self._openings:
            self._openings = openings
            self.changed()
