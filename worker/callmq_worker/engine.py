"""The flow of one delivery, up to its settlement: contract, guard, dispatch, outcome. The settler performs the rest."""

from functools import partial
from typing import Final, assert_never

from callmq_contracts.command import Safety
from callmq_contracts.envelope import Priority, broker_expired
from callmq_contracts.names import DIAL
from callmq_worker.controls import LOOK_EVERY
from callmq_worker.core import guard, intake, settle, spans
from callmq_worker.core.controls import Scope
from callmq_worker.core.flow import Flow, Pace, flow_of
from callmq_worker.core.intake import Accepted, Refusal
from callmq_worker.core.layout import RETURNED_LANE, WAITING_LANE
from callmq_worker.core.outcome import Again, Withheld, judge
from callmq_worker.core.record import (
    Busy,
    Claim,
    Conflict,
    Intent,
    Spent,
    State,
    Step,
    Stored,
    T,
)
from callmq_worker.core.retry import Situation
from callmq_worker.core.settle import Concluded, Past, Postponed, Repeated, Returned, Settlement, Unrecorded
from callmq_worker.gates import name_of
from callmq_worker.policy import Policy, Situated, Tools, record_key
from callmq_worker.ports import (
    Delivery,
    LedgerAwayError,
    Request,
)

UNPACED: Final = Pace(0.0)
CAMPAIGN_PAUSE: Final = 30.0


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

    def flow(self, situated: Situated) -> Flow | None:
        """Return the flow in which a dial has to wait for its turn; None: it may go at once, or is no dial to come."""
        read, rates = situated.read, self.policy.rates
        if situated.delivery.lane != DIAL or not isinstance(read, Accepted) or read.command.name != DIAL:
            return None
        envelope = read.envelope
        waits = (
            rates.shared
            or rates.of(envelope.account) != UNPACED
            or envelope.campaign is not None
            or envelope.priority is not Priority.NORMAL
            or not self.tools.gates.works(envelope.account)
            or self.tools.gates.pressed(envelope.account)
        )
        over = self.tools.clock.now() >= read.expires_at or self.tools.controls.cancelled(read) is not None
        if not waits or over:
            return None
        return flow_of(read, rates, self.tools.secret)

    async def needs_slot(self, accepted: Accepted) -> bool:
        """Say whether this dial would be sent now: one that is over, cancelled or answered takes no slot from others.

        Raises `LedgerAwayError`.
        """
        over = self.tools.clock.now() >= accepted.expires_at
        return not over and not self.tools.controls.stops(accepted) and not await self._has_outcome(accepted)

    async def wait(self, situated: Situated, seconds: float) -> None:
        """Wait, though no longer than until it is cancelled."""
        clock, read = self.tools.clock, situated.read
        end = clock.monotonic() + seconds
        while (left := end - clock.monotonic()) > 0:
            if isinstance(read, Accepted) and self.tools.controls.cancelled(read) is not None:
                return
            await clock.sleep(min(left, LOOK_EVERY))

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
        clock, envelope, controls = self.tools.clock, accepted.envelope, self.tools.controls
        if not controls.known:
            raise LedgerAwayError("What operators have cancelled meanwhile could not be asked: nothing is sent.")
        what = controls.cancelled(accepted)
        if what is not None:
            return await self._withdraw(situated, accepted, what)
        wait = min(envelope.not_before or 0.0, accepted.expires_at) - clock.now()
        if wait > settle.LEASE_POLL:
            return Postponed(wait, "not before its time", past=situated.past)
        expired = clock.now() >= accepted.expires_at
        if not expired and not await self._passes(accepted):
            if controls.rests(accepted):
                return Postponed(self._within(accepted, CAMPAIGN_PAUSE), "campaign paused", past=situated.past)
            if situated.hold or situated.delivery.lane == WAITING_LANE:
                return Returned()  # its account's lanes are shut by now, or tried with another command
            wait = self._within(accepted, self._until_probe(envelope.account))
            return Postponed(wait, "account paused", past=situated.past)
        if envelope.key is None:
            return await self._keyless(situated, accepted)
        asked_at, intent = self.tools.clock.monotonic(), self._intent(accepted)
        weighed = await self._transact(accepted, "claim", guard.claim(intent))
        if isinstance(weighed, Claim):
            made = settle.Attempt(accepted, weighed.used, weighed.doubt, (intent, weighed))
            return await self._attempt(made, situated, asked_at)
        self.tools.gates.waive(envelope.account, name_of(accepted))
        if isinstance(weighed, Spent):
            return Concluded(accepted, intent, settle.spent(weighed), weighed.attempt)
        return self._found(situated, accepted, weighed)

    async def _passes(self, accepted: Accepted) -> bool:
        """Say whether account and campaign let this command through; one that has an outcome needs nobody's leave."""
        gates, account, rests = self.tools.gates, accepted.envelope.account, self.tools.controls.rests(accepted)
        if gates.works(account) and not rests:
            return True
        return await self._has_outcome(accepted) or (not rests and gates.admit(account, name_of(accepted)))

    async def _has_outcome(self, accepted: Accepted) -> bool:
        known = await self.tools.ledger.look(record_key(accepted)) if accepted.envelope.key else None
        return known is not None and known.state in (State.CLOSED, State.UNKNOWN)

    async def _withdraw(self, situated: Situated, accepted: Accepted, what: Scope) -> Settlement:
        """End a cancelled command that nobody is at; what has an outcome keeps it."""
        past = situated.past
        if accepted.envelope.key is None:
            found = Spent(0, past.attempts, past.doubt, expired=False, received_at=accepted.received_at)
            return Unrecorded(settle.keyless_reply(accepted, settle.cancelled(found, what)))
        intent = self._intent(accepted)
        weighed = await self._transact(accepted, "withdraw", guard.withdraw(intent))
        if isinstance(weighed, Spent):
            return Concluded(accepted, intent, settle.cancelled(weighed, what), weighed.attempt)
        return self._found(situated, accepted, weighed)

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
        leave = partial(self._may_leave, made, situated, claimed_at)
        answer = await self.tools.dispatcher.dispatch(self._request(made), leave)
        if isinstance(answer, Withheld):
            self.tools.gates.waive(accepted.envelope.account, name_of(accepted))
            what = self.tools.controls.cancelled(accepted)
            if what is not None:
                return settle.withdrawn(made, what)
            return settle.withheld(made, expired=clock.now() >= accepted.expires_at)
        verdict = judge(answer, accepted.command.safety, doubt=made.doubt)
        spared = await self.tools.gates.heard(made, answer, verdict, claimed_at)
        if isinstance(verdict, Again):
            return settle.again(verdict, made, self._situation(made, verdict, situated, spared=spared))
        return settle.after(verdict, made, self._within(accepted, self.policy.probe_interval))

    def _situation(self, made: settle.Attempt, again: Again, situated: Situated, *, spared: bool) -> Situation:
        gates, account = self.tools.gates, made.accepted.envelope.account
        return Situation(
            used=made.used,
            max_attempts=self.policy.max_attempts,
            left=made.accepted.expires_at - self.tools.clock.now(),
            chance=self.tools.clock.chance(),
            retry_after=again.retry_after,
            # What fails when all fails is tried one at a time: that is bounded without a budget.
            budget=(spared and not again.pressed) or gates.spend(made.accepted),
            tiers=self.policy.tiers,
            exact=situated.hold,
            spared=spared,
            shut_for=0.0 if gates.works(account) else self._until_probe(account),
        )

    def _within(self, accepted: Accepted, seconds: float) -> float:
        """Return a wait that is not longer than the command lives: then it is answered, whatever is paused."""
        return max(settle.LEASE_POLL, min(seconds, accepted.expires_at - self.tools.clock.now()))

    def _until_probe(self, account: str) -> float:
        """Return the seconds after which it is worth a try whether this account works."""
        left, longest = self.tools.gates.next_probe_in(account), self.policy.probe_interval
        return longest if left is None else min(max(left, settle.LEASE_POLL), longest)

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

    async def _may_leave(self, made: settle.Attempt, situated: Situated, claimed_at: float) -> bool:
        """Say whether the first byte may leave: in time, not cancelled, and for an unsafe command durably marked.

        Nothing leaves for a delivery whose channel is lost: by now another worker may have it, and what follows it.
        """
        clock, accepted = self.tools.clock, made.accepted
        if self.tools.controls.bars(accepted) or not situated.delivery.receipt.alive:
            return False
        if made.claim is not None and accepted.command.safety is Safety.UNSAFE:
            claimed_at = clock.monotonic()
            step = guard.mark_sending(made.claim, self.policy.lease, accepted.expires_at)
            try:
                if not await self._transact(accepted, "mark", step):
                    return False
            except LedgerAwayError:
                return False
        in_time = clock.monotonic() - claimed_at < self.policy.lease - self.policy.http_deadline
        return in_time and clock.now() < accepted.expires_at and not self.tools.controls.bars(accepted)

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
