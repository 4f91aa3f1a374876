"""What a decision is made by: the numbers, the ports, and the delivery that it is about."""

from dataclasses import dataclass

from callmq_worker.controls import Controls
from callmq_worker.core.flow import Rates
from callmq_worker.core.intake import Accepted, Refusal, Rules
from callmq_worker.core.record import RecordKey
from callmq_worker.core.retry import Tier
from callmq_worker.core.settle import Past
from callmq_worker.gates import Gates
from callmq_worker.ports import Clock, Delivery, Dispatcher, Ledger, Observer


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers that the flow depends on; all times in seconds."""

    owner: str
    rules: Rules
    tiers: tuple[Tier, ...]
    lease: float
    http_deadline: float
    max_attempts: int
    probe_interval: float
    rates: Rates
    concurrency: int


@dataclass(frozen=True, slots=True)
class Tools:
    """The ports that a decision needs, as the wiring put them together. ``secret`` keys fingerprints and seals."""

    ledger: Ledger
    dispatcher: Dispatcher
    clock: Clock
    observer: Observer
    gates: Gates
    controls: Controls
    secret: bytes


@dataclass(frozen=True, slots=True)
class Situated:
    """A delivery on its way: ``past`` of a command without a key, ``hold``: its lane keeps order, so it may wait."""

    delivery: Delivery
    read: Accepted | Refusal
    past: Past
    hold: bool


def record_key(accepted: Accepted) -> RecordKey:
    """Return the name under which the ledger keeps a command with a key."""
    return RecordKey(accepted.envelope.account, accepted.envelope.key or "")
