"""What a worker runs by, and how it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from callmq_worker.core.layout import Layout, Shards


@dataclass(frozen=True, slots=True)
class Course:
    """What this worker runs by. Times in seconds. ``layout`` of so many shards of each control lane."""

    layout: Callable[[Shards], Layout]
    grace: float
    retention: float


@dataclass(slots=True)
class Condition:
    """What readiness is made of. A part that is None or empty is well."""

    broker: str | None = "not connected yet"
    topology: tuple[str, ...] = ()
    consuming: bool = False
    ledger: str | None = None
    paused: dict[str, str] = field(default_factory=dict)

    def faults(self) -> dict[str, Any]:
        """Return the parts that are not well."""
        parts: dict[str, Any] = {
            "broker": self.broker,
            "topology": list(self.topology),
            "ledger": self.ledger,
            "paused": dict(self.paused),
        }
        faults = {name: part for name, part in parts.items() if part}
        if not self.consuming and not faults:
            faults["lanes"] = "not consuming"
        return faults
