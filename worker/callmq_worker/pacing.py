"""Slots of the paces that all workers share, from the ledger's clock to this worker's."""

from collections.abc import Sequence
from dataclasses import dataclass

from callmq_worker.core import note, pacing
from callmq_worker.core.pacing import Pressure, Reservation
from callmq_worker.ports import Clock, Ledger


@dataclass(frozen=True, slots=True)
class Grant:
    """Slots on this worker's monotonic clock, ascending.

    Where there are none: ``by`` names the pace that has none ("" the account's), ``again_in`` the seconds until it may.
    """

    slots: tuple[float, ...]
    by: str
    again_in: float


class Pacing:
    """Takes slots from an account's note."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    async def reserve(self, account: str, limits: Sequence[tuple[str, float]], most: int) -> Grant:
        """Take up to ``most`` slots that come soon, each of all ``limits`` (name, dials a second) together.

        Raises `LedgerAwayError`.
        """
        change = Reservation(limits, most)

        def timed(text: bytes | None, now: float) -> tuple[bytes | None, tuple[pacing.Granted, float]]:
            after, granted = change(text, now)
            return after, (granted, now)

        key = note.note_key(pacing.NOTE, account)
        granted, now = await self._ledger.transact(key, note.amend(key, timed))
        here = self._clock.monotonic()  # later than the store's time by the way back: a slot is never early
        return Grant(tuple(here + slot - now for slot in granted.slots), granted.by, max(0.0, granted.again_at - now))

    async def press(self, account: str, wait: float | None, *, refused: bool = True) -> None:
        """Slow an account down: the endpoint asked for less, or ``refused`` some. ``wait`` in seconds.

        Raises `LedgerAwayError`.
        """
        key = note.note_key(pacing.NOTE, account)
        await self._ledger.transact(key, note.amend(key, Pressure(wait, refused=refused)))
