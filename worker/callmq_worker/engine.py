"""The flow of one delivery, up to its settlement: contract, guard, dispatch, outcome. The settler performs the rest."""

import logging
from dataclasses import dataclass
from functools import partial
from typing import assert_never

from callmq_contracts.command import Safety
from callmq_contracts.envelope import broker_expired
from callmq_contracts.names import DIAL
from callmq_worker.core import guard, intake, settle, spans
from callmq_worker.core.intake import Accepted, Refusal, Rules
from callmq_worker.core.layout import RETURNED_LANE
from callmq_worker.core.outcome import Again, Done, Paused, Refused, Verdict, Withheld, judge
from callmq_worker.core.record import (
    Busy,
    Claim,
    Conflict,
    Intent,
    RecordKey,
    Spent,
    State,
    Step,
    Stored,
    T,
)
from callmq_worker.core.retry import Situation, Tier
from callmq_worker.core.settle import Concluded, Past, Postponed, Repeated, Returned, Settlement, Unrecorded
from callmq_worker.gates import Gates
from callmq_worker.ports import (
    Clock,
    Delivery,
    Dispatcher,
    Ledger,
    LedgerAwayError,
    Observer,
    Request,
)

LOG = logging.getLogger("callmq.engine")


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


@dataclass(frozen=True, slots=True)
class Tools:
    """The ports that a decision needs, as the wiring put them together. ``secret`` keys fingerprints and seals."""

    ledger: Ledger
    dispatcher: Dispatcher
    clock: Clock
    observer: Observer
    gates: Gates
    secret: bytes


@dataclass(frozen=True, slots=True)
class Situated:
    """A delivery on its way: ``past`` of a command without a key, ``hold``: its lane keeps order, so it may wait."""

    delivery: Delivery
    read: Accepted | Refusal
    past: Past
    hold: bool


class Engine:
    """Follows deliveries to their settlement. Holds nothing of its own: all state is in the ledger and the gates."""

    def __init__(self, policy: Policy, tools: Tools) -> None:
        self.policy = policy
        self.tools = tools

    def read(self, delivery: Delivery, *, hold: bool) -> Situated:
        """Judge the delivery by its contract."""
        over = delivery.lane == RETURNED_LANE and broker_expired(delivery.properties)
        rules, secret = self.policy.rules, self.tools.secret
        body, properties, received_at = delivery.body, delivery.properties, delivery.received_at
        read = intake.read(body, properties, received_at, rules, secret=secret, broker_expired=over)
        envelope = read.envelope
        doubt = envelope.doubt or delivery.redelivered
        return Situated(delivery, read, Past(envelope.attempts, doubt), hold)

    def paced(self, accepted: Accepted) -> bool:
        """Say whether this command may have to wait for a slot."""
        return self.tools.gates.dial_rate > 0 and accepted.command.name == DIAL

    async def pace(self, accepted: Accepted) -> None:
        """Wait for the slot of a dial; one that has an outcome or is expired takes none. Raises `LedgerAwayError`."""
        clock = self.tools.clock
        if clock.now() >= accepted.expires_at or not self.tools.gates.works(accepted.envelope.account):
            return
        known = await self.tools.ledger.look(record_key(accepted))
        if known is None or known.state not in (State.CLOSED, State.UNKNOWN):
            await self.tools.gates.pace(accepted.envelope.account, lambda: clock.now() < accepted.expires_at)

    async def decide(self, situated: Situated) -> Settlement:
        """Return the one way in which this delivery ends. Raises `LedgerAwayError` before anything was sent."""
        match situated.read:
            case Refusal():
                return settle.rejection(situated.read)
            case Accepted():
                return await self._admit(situated, situated.read)
            case _:
                assert_never(situated.read)

    async def _admit(self, situated: Situated, accepted: Accepted) -> Settlement:
        clock, gates = self.tools.clock, self.tools.gates
        envelope = accepted.envelope
        wait = min(envelope.not_before or 0.0, accepted.expires_at) - clock.now()
        if wait > settle.LEASE_POLL:
            return Postponed(wait, "not before its time", past=situated.past)
        expired = clock.now() >= accepted.expires_at
        if not expired and not await self._passes(accepted):
            if gates.shut:
                return Returned()
            return Postponed(self.policy.probe_interval, "account paused", ordered=True, past=situated.past)
        if envelope.key is None:
            return await self._keyless(situated, accepted)
        asked_at, intent = self.tools.clock.monotonic(), self._intent(accepted)
        weighed = await self._transact(accepted, "claim", guard.claim(intent))
        if isinstance(weighed, Claim):
            made = settle.Attempt(accepted, weighed.used, weighed.doubt, (intent, weighed))
            return await self._attempt(made, situated, asked_at)
        if isinstance(weighed, Spent):
            return Concluded(accepted, intent, settle.spent(weighed), weighed.attempt)
        return self._found(situated, accepted, weighed)

    async def _passes(self, accepted: Accepted) -> bool:
        """Say whether the account lets this command through; one that has an outcome needs nobody's leave."""
        gates, account = self.tools.gates, accepted.envelope.account
        if gates.works(account):
            return True
        known = await self.tools.ledger.look(record_key(accepted)) if accepted.envelope.key else None
        if known is not None and known.state in (State.CLOSED, State.UNKNOWN):
            return True
        return gates.admit(account)

    async def _keyless(self, situated: Situated, accepted: Accepted) -> Settlement:
        past = situated.past
        if self.tools.clock.now() >= accepted.expires_at or past.attempts >= self.policy.max_attempts:
            expired = self.tools.clock.now() >= accepted.expires_at
            found = Spent(0, past.attempts, past.doubt, expired, accepted.received_at)
            return Unrecorded(settle.keyless_reply(accepted, settle.spent(found)))
        made = settle.Attempt(accepted, past.attempts + 1, past.doubt, None)
        return await self._attempt(made, situated, self.tools.clock.monotonic())

    def _found(self, situated: Situated, accepted: Accepted, weighed: Stored | Conflict | Busy) -> Settlement:
        match weighed:
            case Stored():
                return Repeated(accepted, weighed)
            case Conflict():
                delivery = situated.delivery
                return settle.conflict(accepted, intake.digest(delivery.body, delivery.properties))
            case Busy(seconds):
                hold = situated.hold and situated.delivery.redelivered
                return settle.busy(seconds, self.policy.lease, hold=hold)
            case _:
                assert_never(weighed)

    async def _attempt(self, made: settle.Attempt, situated: Situated, claimed_at: float) -> Settlement:
        accepted, clock = made.accepted, self.tools.clock
        leave = partial(self._may_leave, made, claimed_at)
        answer = await self.tools.dispatcher.dispatch(self._request(made), leave)
        if isinstance(answer, Withheld):
            return settle.withheld(made, expired=clock.now() >= accepted.expires_at)
        verdict = judge(answer, accepted.command.safety, doubt=made.doubt)
        self._mind_account(accepted.envelope.account, verdict)
        if made.used == 1:
            self.tools.gates.earn()
        if isinstance(verdict, Again):
            return settle.again(verdict, made, self._situation(made, verdict, situated))
        return settle.after(verdict, made, self.policy.probe_interval)

    def _situation(self, made: settle.Attempt, again: Again, situated: Situated) -> Situation:
        return Situation(
            used=made.used,
            max_attempts=self.policy.max_attempts,
            left=made.accepted.expires_at - self.tools.clock.now(),
            chance=self.tools.clock.chance(),
            retry_after=again.retry_after,
            budget=self.tools.gates.spend(),
            tiers=self.policy.tiers,
            exact=situated.hold,
        )

    def _mind_account(self, account: str, verdict: Verdict) -> None:
        gates = self.tools.gates
        if isinstance(verdict, Paused):
            if gates.pause(account, verdict.reason):
                LOG.error("account paused", extra={"fields": {"account": account, "reason": verdict.reason}})
            return
        heard = isinstance(verdict, Done | Refused) or (isinstance(verdict, Again) and verdict.pressed)
        if heard and gates.resume(account):
            LOG.warning("account resumed", extra={"fields": {"account": account}})

    def _request(self, made: settle.Attempt) -> Request:
        command = made.accepted.command
        return Request(
            account=made.accepted.envelope.account,
            body=made.accepted.wire(),
            key=made.accepted.envelope.key,
            fresh=command.safety is Safety.UNSAFE,
            deadline=self.policy.http_deadline,
            resend=made.used - 1,
        )

    async def _may_leave(self, made: settle.Attempt, claimed_at: float) -> bool:
        """Say whether the first byte may leave: in time, not expired, and for an unsafe command durably marked."""
        clock, accepted = self.tools.clock, made.accepted
        if made.claim is not None and accepted.command.safety is Safety.UNSAFE:
            claimed_at = clock.monotonic()
            step = guard.mark_sending(made.claim, self.policy.lease, accepted.expires_at)
            try:
                if not await self._transact(accepted, "mark", step):
                    return False
            except LedgerAwayError:
                return False
        in_time = clock.monotonic() - claimed_at < self.policy.lease - self.policy.http_deadline
        return in_time and clock.now() < accepted.expires_at

    def _intent(self, accepted: Accepted) -> Intent:
        envelope, command, policy = accepted.envelope, accepted.command, self.policy
        return Intent(
            account=envelope.account,
            key=envelope.key or "",
            fingerprint=command.fingerprint(self.tools.secret),
            command=command.name,
            safety=command.safety,
            received_at=accepted.received_at,
            expires_at=accepted.expires_at,
            owner=policy.owner,
            lease=policy.lease,
            max_attempts=policy.max_attempts,
        )

    async def _transact(self, accepted: Accepted, operation: str, step: Step[T]) -> T:
        ledger = self.tools.ledger
        with self.tools.observer.span("internal", lambda: spans.ledger(operation, ledger.system)):
            return await ledger.transact(record_key(accepted), step)


def record_key(accepted: Accepted) -> RecordKey:
    """Return the name under which the ledger keeps a command with a key."""
    return RecordKey(accepted.envelope.account, accepted.envelope.key or "")
