"""Steps, files and locks for tests of ledgers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from callmq_worker.core import guard
from callmq_worker.core.record import Claim, Intent, Record, RecordKey, State, Step
from intents import START, conclusion, intent, record_key

if TYPE_CHECKING:
    from pathlib import Path

    from callmq_worker.ports import Ledger


def closed(number: int, size: int = 100) -> tuple[RecordKey, Step[int]]:
    key = f"order-{number}"
    record = Record("default", key, b"f", "dial", State.CLOSED, START, START, reply=b"r" * size)
    return RecordKey("default", key), lambda _before, _now: (record, number)


def run_sql(path: Path, *statements: str) -> Any:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            found = connection.execute(statement).fetchone()
    return found[0] if found else None


def touch(record: Record | None, now: float) -> tuple[Record, int]:
    """Count the changes of a record in its attempt."""
    before = record or Record("default", "order-1", b"", "dial", State.FREE, now, now)
    return before._replace(attempt=before.attempt + 1, updated_at=now), before.attempt + 1


async def admit(ledger: Ledger, wish: Intent) -> Any:
    """Ask for the right to act."""
    return await ledger.transact(record_key(wish), guard.claim(wish))


async def won(ledger: Ledger, wish: Intent) -> Claim:
    """Get the right to act."""
    found = await admit(ledger, wish)
    assert isinstance(found, Claim)
    return found


async def finish(ledger: Ledger, wish: Intent, attempt: int, outcome: str, *, unknown: bool = False) -> Any:
    """Record an outcome."""
    return await ledger.transact(record_key(wish), guard.conclude(conclusion(wish, attempt, outcome, unknown=unknown)))


async def ended(ledger: Ledger, key: str, *, unknown: bool = False) -> Intent:
    """Leave a record with an outcome."""
    wish = intent(key)
    held = await won(ledger, wish)
    await finish(ledger, wish, held.attempt, "unknown" if unknown else "succeeded", unknown=unknown)
    return wish
