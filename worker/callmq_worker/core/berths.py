"""Which waiting dials lie in which queue of their account: an agreement of all workers, kept as a note.

Nothing that must hold depends on it: a dial in another queue than the agreed one is fetched and paced as any other.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import orjson

from callmq_worker.core.flow import Flow

UNUSED: Final = 600.0  # seconds after which another flow may have the queue
NOTED: Final = 60.0  # seconds between two marks of use
MOST_FLOWS: Final = 64  # that share a queue as far as the note says
NOTE: Final = "dial lanes"


class Berth(NamedTuple):
    """One queue: the flows that lie in it, and when any of them was last added to, on the ledger's clock."""

    flows: tuple[Flow, ...]
    used: float


Berths: TypeAlias = tuple[Berth, ...]


def read(text: bytes | None) -> Berths:
    """Return what a note says; the first berth is the queue with number 1."""
    if text is None:
        return ()
    return tuple(Berth(tuple(Flow(*flow) for flow in flows), used) for flows, used in orjson.loads(text))


def find(berths: Berths, flow: Flow) -> int:
    """Return the number of a flow's queue, 0 where it has none."""
    return next((n for n, berth in enumerate(berths, 1) if flow in berth.flows), 0)


class Assignment:
    """The change that gives a flow its queue, for `note.amend`.

    ``depths``: how many dials were seen in queues, by number; 0 only where that was just now.
    """

    def __init__(self, flow: Flow, most: int, depths: Mapping[int, int] = MappingProxyType({})) -> None:
        self._flow = flow
        self._most = most
        self._depths = depths

    def __call__(self, text: bytes | None, now: float) -> tuple[bytes | None, Berths]:
        """Return the note's next text, None where it stays, and the berths."""
        berths = read(text)
        number = find(berths, self._flow)
        if number and now - berths[number - 1].used < NOTED:
            return None, berths
        berths = self._placed(berths, number, now)
        return orjson.dumps([[[list(flow) for flow in b.flows], b.used] for b in berths]), berths

    def _placed(self, berths: Berths, number: int, now: float) -> Berths:
        if number:
            return _with(berths, number, Berth(berths[number - 1].flows, now))
        if len(berths) < self._most:
            return (*berths, Berth((self._flow,), now))
        number = min(range(1, len(berths) + 1), key=lambda n: self._wait(n, berths[n - 1]))
        berth = berths[number - 1]
        left = self._depths.get(number) == 0 and now - berth.used > UNUSED
        kept = () if left else berth.flows[-MOST_FLOWS + 1 :]
        return _with(berths, number, Berth((*kept, self._flow), now))

    def _wait(self, number: int, berth: Berth) -> tuple[float, int, float]:
        """Return what tells how long a dial would wait in a queue: what lies in it, then who shares it."""
        return self._depths.get(number, math.inf), len(berth.flows), berth.used


def _with(berths: Berths, number: int, berth: Berth) -> Berths:
    return (*berths[: number - 1], berth, *berths[number:])
