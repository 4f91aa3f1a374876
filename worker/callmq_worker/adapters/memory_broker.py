"""Broker and endpoint without a world: what is published, settled and sent is kept, and nothing leaves the process.

Each takes a ``watch``: called with a word before and after each effect; what it raises ends the call at that point,
as a crash there would.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TypeAlias

from callmq_worker.core.outcome import Answer, Answered, NoAnswer, NotSent, Withheld
from callmq_worker.core.publications import Publication
from callmq_worker.ports import Leave, Published, Request

Watch: TypeAlias = Callable[[str], None]


def unwatched(_step: str) -> None:
    """Watch nothing."""


class MemoryPublisher:
    """Keeps what was confirmed, in order. ``results`` are the broker's words; when they end, all is confirmed."""

    def __init__(self, results: Iterable[Published] = (), watch: Watch = unwatched) -> None:
        self.taken: list[Publication] = []
        self._results = chain(results, repeat(Published.CONFIRMED))
        self._watch = watch

    async def publish(self, publication: Publication) -> Published:
        """Take the publication, or say the next word."""
        self._watch("publish")
        result = next(self._results)
        if result is Published.CONFIRMED:
            self.taken.append(publication)
        self._watch("published")
        return result


class MemoryReceipt:
    """The right to settle one delivery. ``settled``: ``acknowledged``, ``given back`` or None."""

    def __init__(self, watch: Watch = unwatched) -> None:
        self.alive = True
        self.settled: str | None = None
        self._watch = watch

    async def acknowledge(self) -> None:
        """Tell the broker that it is settled."""
        self._settle("acknowledge", "acknowledged")

    async def give_back(self) -> None:
        """Put it back into its queue, untouched."""
        self._settle("give back", "given back")

    def _settle(self, step: str, word: str) -> None:
        self._watch(step)
        if self.alive:
            if self.settled is not None:
                raise RuntimeError("a delivery is settled once")
            self.settled = word
        self._watch(word)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the endpoint does with one request: its answer, and whether the command was carried out."""

    answer: Answer
    acts: bool = False


class MemoryDispatcher:
    """Answers each request with the next turn; ``sent`` are the requests that left, ``acted`` those carried out."""

    def __init__(self, turns: Iterable[Turn] = (), watch: Watch = unwatched) -> None:
        self.sent: list[Request] = []
        self.acted: list[Request] = []
        self._turns: Iterator[Turn] = chain(turns, repeat(Turn(Answered(200, {"id": "x"}), acts=True)))
        self._watch = watch

    async def dispatch(self, request: Request, leave: Leave) -> Answer:
        """Ask ``leave`` unless the turn is one of which nothing leaves."""
        self._watch("dispatch")
        turn = next(self._turns)
        if isinstance(turn.answer, NotSent | Withheld):
            return turn.answer
        if not await leave():
            return Withheld()
        self._watch("leave")
        self.sent.append(request)
        if turn.acts:
            self.acted.append(request)
        self._watch("no answer" if isinstance(turn.answer, NoAnswer) else "answer")
        return turn.answer

    async def close(self) -> None:
        """Do nothing."""
