"""Records in each state, and pure steps run on them."""

from __future__ import annotations

from typing import Any

from callmq_worker.core import guard
from callmq_worker.core.record import Claim, Record, State, Step, T
from intents import LEASE, START, intent, reply


def record(state: State, **changes: Any) -> Record:
    """Return a record after its first claim, in this state."""
    held = state in (State.HELD, State.SENDING)
    ended = state in (State.CLOSED, State.UNKNOWN)
    fields: dict[str, Any] = {
        "received_at": START - 1,
        "updated_at": START,
        "attempt": 1,
        "owner": "worker-1" if held else None,
        "lease_until": START + LEASE if held else 0.0,
        "doubt": state is State.UNKNOWN,
        "sequence": 1 if ended else 0,
        "reply": reply(state.value) if ended else None,
    }
    return Record("default", "order-1", b"f" * 32, "dial", state, **(fields | changes))


def held_by(worker: str = "worker-1", attempt: int = 1) -> Claim:
    """Return the claim on that record."""
    return Claim("default", "order-1", attempt, worker, used=attempt, doubt=False, received_at=START - 1)


def run(step: Step[T], before: Record | None, now: float = START) -> tuple[Record | None, T]:
    """Return the record afterwards, changed or not, and the verdict."""
    after, verdict = step(before, now)
    return before if after is None else after, verdict


def weigh(before: Record | None, now: float = START, **changes: Any) -> tuple[Record | None, Any]:
    """Claim it."""
    return run(guard.claim(intent(**changes)), before, now)
