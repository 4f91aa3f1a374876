"""Notes: what all workers of a ledger know together and that is no command's, each under a name of its own."""

from collections.abc import Callable
from typing import TypeVar

from callmq_worker.core.record import Record, RecordKey, State, Step

T = TypeVar("T")


def note_key(name: str, account: str = "") -> RecordKey:
    """Return where a note is kept; no idempotency key has a space, so none collides."""
    return RecordKey(account, f"note {name}")


def content(record: Record | None) -> bytes | None:
    """Return what a note says, ``None`` where there is none yet."""
    return record.reply if record is not None else None


def amend(key: RecordKey, change: Callable[[bytes | None, float], tuple[bytes | None, T]]) -> Step[T]:
    """Change a note by ``(what it says, the store's time) -> (what it says now or None for unchanged, verdict)``.

    A note that nobody changes is purged like a closed record: after the ledger's retention.
    """

    def step(record: Record | None, now: float) -> tuple[Record | None, T]:
        after, verdict = change(content(record), now)
        if after is None:
            return None, verdict
        noted = Record(
            account=key.account,
            key=key.key,
            fingerprint=b"",
            command="-",
            state=State.CLOSED,
            received_at=record.received_at if record is not None else now,
            updated_at=now,
            sequence=(record.sequence if record is not None else 0) + 1,
            reply=after,
        )
        return noted, verdict

    return step


def touch(key: RecordKey) -> Step[None]:
    """Write a note that says nothing: a ledger that takes it takes all else."""
    return amend(key, lambda _said, _now: (b"", None))
