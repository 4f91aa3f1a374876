"""The breaker of an account's endpoint: when most of what is sent fails, one command at a time tries whether it works.

Failures are what says nothing about the command: not sent, no answer, 5xx, 408. An endpoint that asks for less works.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple, TypeAlias, assert_never

from callmq_worker.core.outcome import Answer, Answered, Kind, NoAnswer, NotSent, Withheld, kind_of

WINDOW: Final = 30.0
LEAST_SEEN: Final = 20
SHARE: Final = 0.5
ROW: Final = 5  # failures of several commands, however few they are; fewer than a command has attempts
FIRST_PROBE: Final = 1.0
_PARTS: Final = 6  # of the window: what is older than a whole window is forgotten a part at a time
_MOST_TRIED: Final = 1000


class Word(Enum):
    """What an answer says of the endpoint."""

    TAKEN = "taken"  # it does its work, whatever it thinks of the command
    PRESSED = "pressed"  # it works, and takes no more for now
    FAILED = "failed"
    NOTHING = "nothing"  # it was not asked


def word_of(answer: Answer) -> Word:
    """Return what an answer says of the endpoint."""
    match answer:
        case NotSent() | NoAnswer():
            return Word.FAILED
        case Withheld():
            return Word.NOTHING
        case Answered():
            kind = kind_of(answer)
            failed = {Kind.DOUBTFUL: Word.FAILED, Kind.PRESSURE: Word.PRESSED}
            return failed.get(kind, Word.TAKEN)
        case _:
            assert_never(answer)


class Part(NamedTuple):
    """What was seen in a part of the window."""

    number: int
    seen: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Closed:
    """All may go. ``in_a_row``: failures since something was taken; ``of``: the command that failed last.

    ``several``: others failed before it; ``in_vain``: answers since something was taken, pressure included.
    """

    parts: tuple[Part, ...] = ()
    in_a_row: int = 0
    of: str = ""
    several: bool = False
    in_vain: int = 0


@dataclass(frozen=True, slots=True)
class Open:
    """Nothing may go but a probe. ``probes`` failed so far; ``tried``: the commands that failed."""

    tried: frozenset[str] = frozenset()
    probes: int = 0

    def wait(self, chance: float, longest: float) -> float:
        """Return the seconds until the next probe: 1, 2, 4, ... up to ``longest``, less up to a quarter by chance."""
        return min(longest, FIRST_PROBE * 2.0 ** min(self.probes, 32)) * (1 - chance / 4)


Breaker: TypeAlias = Closed | Open
WELL: Final = Closed()


def hear(breaker: Closed, word: Word, command: str, now: float) -> Breaker:
    """Count an answer to a command, at ``now`` on a monotonic clock."""
    match word:
        case Word.NOTHING:
            return breaker
        case Word.TAKEN:
            return Closed(_counted(breaker.parts, now, failed=False))
        case Word.PRESSED:
            return replace(breaker, parts=_counted(breaker.parts, now, failed=False), in_vain=breaker.in_vain + 1)
        case Word.FAILED:
            parts = _counted(breaker.parts, now, failed=True)
            several = breaker.several or (breaker.in_a_row > 0 and command != breaker.of)
            failing = Closed(parts, breaker.in_a_row + 1, command, several, breaker.in_vain + 1)
            seen, failed = sum(p.seen for p in parts), sum(p.failed for p in parts)
            most = seen >= LEAST_SEEN and failed >= SHARE * seen
            return Open(frozenset((command,))) if most or (several and failing.in_a_row >= ROW) else failing
        case _:
            assert_never(word)


def failed_again(breaker: Open, command: str) -> Open:
    """Return the breaker after a probe that failed."""
    tried = breaker.tried if len(breaker.tried) < _MOST_TRIED else frozenset()
    return Open(tried | {command}, breaker.probes + 1)


def spares(breaker: Breaker) -> bool:
    """Say whether what came back is the endpoint's trouble, so that it uses up no attempt of a command."""
    return isinstance(breaker, Open) or breaker.in_vain >= ROW


def _counted(parts: tuple[Part, ...], now: float, *, failed: bool) -> tuple[Part, ...]:
    number = int(now * _PARTS // WINDOW)
    if not parts or parts[-1].number != number:
        parts = (*(p for p in parts if number - _PARTS < p.number < number), Part(number))
    last = parts[-1]
    return (*parts[:-1], Part(number, last.seen + 1, last.failed + failed))
