"""What callers ask of a record: a step each, and what became of it. For ledgers that perform many at once."""

from collections.abc import Sequence
from typing import Any

from callmq_worker.core.record import Record, RecordKey, Step
from callmq_worker.ports import LedgerAwayError


class Wish:
    """One caller's step on one record, and what became of it: ``value``, or ``error`` where that is set."""

    __slots__ = ("error", "key", "step", "value")

    def __init__(self, key: RecordKey, step: Step[Any]) -> None:
        """Ask for ``step`` on the record under ``key``."""
        self.key = key
        self.step = step
        self.value: Any = None
        self.error: Exception | None = None


def perform(wish: Wish, record: Record | None, now: float) -> Record | None:
    """Run one step; what it raises goes to its own caller and nothing of it is written."""
    wish.error = None
    try:
        after, wish.value = wish.step(record, now)
    except Exception as error:  # noqa: BLE001 - the caller of the step decides what it means
        wish.error = error
        return None
    if after is not None and (after.account != wish.key.account or after.key != wish.key.key):
        wish.error = ValueError("A step may only write the record that it was given.")
        return None
    return after


def refuse(wishes: Sequence[Wish], error: LedgerAwayError) -> None:
    """Give each wish an error of its own, so that no two tasks raise the same object."""
    for wish in wishes:
        wish.error = type(error)(*error.args)
        wish.error.__cause__ = error.__cause__


def refuse_unfit(wish: Wish, cause: Exception) -> None:
    """Say that the store takes this value in no column: the caller's fault, not the store's."""
    wish.error = ValueError("The ledger can't store this key or what its step returned.")
    wish.error.__cause__ = cause


def surprise(error: Exception) -> LedgerAwayError:
    """Return what is said of a failure that no table knows."""
    away = LedgerAwayError(f"The ledger failed in a way that it does not know ({type(error).__name__}).")
    away.__cause__ = error
    return away
