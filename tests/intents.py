"""Intents, conclusions and keys for tests of the guard and of ledgers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callmq_contracts.command import Safety
from callmq_worker.core.record import Conclusion, Intent, RecordKey

if TYPE_CHECKING:
    from callmq_worker.core.record import Claim

START = 1_800_000_000.0
LEASE = 45.0
LIFETIME = 600.0


class Time:
    """The store's time, in the test's hand."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        return self.now


def intent(key: str = "order-1", **changes: Any) -> Intent:
    wish: dict[str, Any] = {
        "account": "default",
        "key": key,
        "fingerprint": b"f" * 32,
        "command": "dial",
        "safety": Safety.UNSAFE,
        "received_at": START - 1,
        "expires_at": START + LIFETIME,
        "owner": "worker-1",
        "lease": LEASE,
        "max_attempts": 8,
    }
    return Intent(**(wish | changes))


def record_key(wish: Intent | Claim) -> RecordKey:
    return RecordKey(wish.account, wish.key)


def conclusion(wish: Intent, attempt: int, outcome: str, *, unknown: bool = False) -> Conclusion:
    return Conclusion(wish, attempt, unknown, lambda sequence: reply(outcome, sequence))


def reply(outcome: str, sequence: int = 1) -> bytes:
    return f"{outcome} #{sequence}".encode()
