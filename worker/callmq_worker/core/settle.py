"""How a delivery ends: every way is one of the settlements here, and the engine performs them in one fixed order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

from callmq_contracts.problem import Problem, ProblemCode
from callmq_contracts.reply import OutcomeName, Reply, reply_id
from callmq_worker.core.controls import Scope
from callmq_worker.core.intake import Accepted, Refusal
from callmq_worker.core.outcome import Again, Done, InDoubt, Paused, Refused
from callmq_worker.core.record import Claim, Intent, Spent, Stored
from callmq_worker.core.redact import is_secret, redact
from callmq_worker.core.retry import Due, Situation, next_delay

LEASE_POLL: Final = 1.0
LEASE_POLL_OLD: Final = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended, before it becomes a reply. ``attempts`` counts those that were dispatched."""

    name: OutcomeName
    attempts: int
    problem: Problem | None = None
    status: int | None = None
    document: Any = None


@dataclass(frozen=True, slots=True)
class Concluded:
    """Record this outcome, then publish what follows from it, then acknowledge. ``attempt`` is the fencing token."""

    accepted: Accepted
    intent: Intent
    outcome: Outcome
    attempt: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """The outcome was recorded before: publish it again, then acknowledge."""

    accepted: Accepted
    stored: Stored


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """An outcome about the message, or of a command without a key: publish, then acknowledge.

    The engine stamps the reply's ``finished_at``.
    """

    reply: Reply


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of earlier attempts of a command without a key."""

    attempts: int = 0
    doubt: bool = False


@dataclass(frozen=True, slots=True)
class Postponed:
    """Come back in ``delay`` seconds: free the claim, publish to a tier (or wait in the lane), acknowledge."""

    delay: float
    reason: str
    claim: Claim | None = None
    doubt: bool = False
    spare: bool = False
    ordered: bool = False
    past: Past = Past()


@dataclass(frozen=True, slots=True)
class Returned:
    """Free the claim and put the message back untouched: this worker stops, or can't work."""

    claim: Claim | None = None
    spare: bool = True


@dataclass(frozen=True, slots=True)
class Sorted:
    """Publish the dial to a queue in which it waits for its turn, then acknowledge."""

    queue: str


Settlement: TypeAlias = Concluded | Repeated | Unrecorded | Postponed | Returned | Sorted


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was made. ``used``: how many count by now, this one included.

    ``claimed``: what the ledger was asked with and what it gave, absent without a key.
    """

    accepted: Accepted
    used: int
    doubt: bool
    claimed: tuple[Intent, Claim] | None

    @property
    def claim(self) -> Claim | None:
        """The right to this attempt, where there is a key."""
        return self.claimed[1] if self.claimed is not None else None


def after(verdict: Done | Refused | InDoubt | Paused, made: Attempt, pause: float) -> Settlement:
    """Return how the delivery ends after an attempt with this verdict, where that allows no other at once."""
    match verdict:
        case Done(status, document):
            return conclude(made, Outcome(OutcomeName.SUCCEEDED, made.used, None, status, document))
        case Refused(status, errors):
            detail = f"The endpoint refused it with status {status}."
            problem = Problem(ProblemCode.REFUSED, detail, mask_errors(errors, made.accepted))
            return conclude(made, Outcome(OutcomeName.REJECTED, made.used, problem, status))
        case InDoubt(reason, status):
            return conclude(made, _unknown(made.used, reason, status))
        case Paused(reason):
            past = Past(made.used - 1, made.doubt)
            return Postponed(pause, reason, made.claim, spare=True, ordered=True, past=past)
        case _:
            assert_never(verdict)


def again(verdict: Again, made: Attempt, situation: Situation) -> Settlement:
    """Return how the delivery ends after an attempt that was not done for certain, or may be repeated."""
    doubt = made.doubt or verdict.doubt
    due = next_delay(situation)
    if isinstance(due, Due):
        spare = situation.spared
        past = Past(made.used - spare, doubt)
        return Postponed(due.delay, verdict.reason, made.claim, verdict.doubt, spare, ordered=True, past=past)
    if doubt:
        return conclude(made, _unknown(made.used, verdict.reason, verdict.status))
    code = ProblemCode.LIFETIME_EXHAUSTED if due.lifetime else ProblemCode.RETRIES_EXHAUSTED
    why = "its lifetime leaves no time for another attempt" if due.lifetime else "its attempts are used up"
    problem = Problem(code, f"Not done ({verdict.reason}), and {why}.")
    return conclude(made, Outcome(OutcomeName.FAILED, made.used, problem, verdict.status))


def spent(found: Spent) -> Outcome:
    """Return the outcome of a command for which no attempt may be made any more."""
    if found.doubt:
        return _unknown(found.used, "a worker stopped while it was being sent, or an attempt went unanswered", None)
    if found.expired and found.used == 0:
        problem = Problem(ProblemCode.EXPIRED, "Its time had passed before any attempt.")
        return Outcome(OutcomeName.EXPIRED, 0, problem)
    if found.expired:
        problem = Problem(ProblemCode.LIFETIME_EXHAUSTED, "Not done, and its time has passed.")
    else:
        problem = Problem(ProblemCode.DELIVERY_LIMIT, "Not done: each worker that took it stopped before sending it.")
    return Outcome(OutcomeName.FAILED, found.used, problem)


def cancelled(found: Spent, what: Scope) -> Outcome:
    """Return the outcome of a cancelled command that nobody is at. What may have been done can't be undone."""
    if found.doubt:
        return _unknown(found.used, "it was cancelled after an attempt that may have been done", None)
    problem = Problem(ProblemCode.CANCELLED, f"Its {what.value} was cancelled before it was dispatched.")
    return Outcome(OutcomeName.CANCELLED, found.used, problem)


def withdrawn(made: Attempt, what: Scope) -> Settlement:
    """Return the end of an attempt that was cancelled before its first byte."""
    return conclude(made, cancelled(_unsent(made), what))


def _unsent(made: Attempt, *, expired: bool = False) -> Spent:
    attempt = made.claim.attempt if made.claim else 0
    return Spent(attempt, made.used - 1, made.doubt, expired, made.accepted.received_at)


def withheld(made: Attempt, *, expired: bool) -> Settlement:
    """Return the end of an attempt that was stopped before its first byte."""
    if not expired:
        return Postponed(
            LEASE_POLL, "withheld", made.claim, spare=True, ordered=True, past=Past(made.used - 1, made.doubt)
        )
    return conclude(made, spent(_unsent(made, expired=True)))


def conclude(made: Attempt, outcome: Outcome) -> Settlement:
    """Return the settlement of a definite outcome: recorded where there is a key."""
    if made.claimed is None:
        return Unrecorded(keyless_reply(made.accepted, outcome))
    intent, claim = made.claimed
    return Concluded(made.accepted, intent, outcome, claim.attempt)


def busy(seconds: float, lease: float, *, hold: bool) -> Postponed:
    """Return the wait for another delivery of the same key: short at first, since most work is short."""
    if seconds > lease:
        return Postponed(seconds, "its next attempt waits")
    delay = LEASE_POLL if lease - seconds < LEASE_POLL_OLD else LEASE_POLL_OLD
    return Postponed(min(delay, max(seconds, 0.1)) if hold else delay, "in progress", ordered=hold)


def _unknown(attempts: int, reason: str, status: int | None) -> Outcome:
    problem = Problem(ProblemCode.OUTCOME_UNKNOWN, f"It may have been done: {reason}.")
    return Outcome(OutcomeName.UNKNOWN, attempts, problem, status)


def mask_errors(errors: tuple[dict[str, Any], ...], accepted: Accepted) -> tuple[dict[str, Any], ...]:
    """Return the endpoint's own entries without phone numbers and without the credentials of the body."""
    secrets = tuple(_credentials(accepted.command.body))
    return tuple(redact(e, secrets) for e in errors)


def _credentials(value: Any) -> Iterator[str]:
    """Yield every text under a secret's name, however deep: a refer has its password four levels down."""
    if isinstance(value, list):
        for item in value:
            yield from _credentials(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and is_secret(name):
                yield item
            else:
                yield from _credentials(item)


def reply_builder(accepted: Accepted, outcome: Outcome, finished_at: float) -> Callable[[int], bytes]:
    """Return the function from sequence to the reply's JSON, for the ledger to call inside its transaction."""
    envelope = accepted.envelope

    def build(sequence: int) -> bytes:
        name = reply_id(envelope.account, envelope.key or "", str(sequence))
        return _reply(accepted, outcome, name, finished_at).dump()

    return build


def keyless_reply(accepted: Accepted, outcome: Outcome) -> Reply:
    """Return the reply of a command without a key; its id comes from the message, or from when it was received."""
    message = accepted.envelope.message_id or repr(accepted.received_at)
    name = reply_id(accepted.envelope.account, "", message, accepted.command.wire().hex())
    return _reply(accepted, outcome, name)


def _reply(accepted: Accepted, outcome: Outcome, name: str, finished_at: float = 0.0) -> Reply:
    command, envelope = accepted.command, accepted.envelope
    return Reply(
        reply_id=name,
        idempotency_key=envelope.key,
        command=command.name,
        outcome=outcome.name,
        received_at=accepted.received_at,
        finished_at=finished_at,
        call_id=command.call_id or _new_call_id(outcome.document),
        control_id=command.control_id,
        account=envelope.account,
        campaign=envelope.campaign,
        http_status=outcome.status,
        response=outcome.document,
        problem=outcome.problem,
        leniencies=command.leniencies,
        attempts=outcome.attempts,
    )


def _new_call_id(document: Any) -> str | None:
    name = document.get("id") if isinstance(document, dict) else None
    return name if isinstance(name, str) else None


def rejection(refusal: Refusal) -> Unrecorded:
    """Return the settlement of a message that did not keep its contract."""
    envelope, rejected = refusal.envelope, refusal.rejected
    reply = Reply(
        reply_id=reply_id(envelope.account, envelope.key or "", "rejected", refusal.digest),
        idempotency_key=envelope.key,
        command=rejected.command,
        outcome=OutcomeName.REJECTED,
        received_at=refusal.received_at,
        finished_at=0.0,
        call_id=rejected.call_id,
        account=envelope.account,
        campaign=envelope.campaign,
        problem=rejected.problem,
    )
    return Unrecorded(reply)


def conflict(accepted: Accepted, digest: str) -> Unrecorded:
    """Return the settlement of a known key that came with another body."""
    problem = Problem(ProblemCode.IDEMPOTENCY_CONFLICT, "This idempotency key was used for another body.")
    outcome = Outcome(OutcomeName.REJECTED, 0, problem)
    envelope = accepted.envelope
    name = reply_id(envelope.account, envelope.key or "", "conflict", digest)
    return Unrecorded(_reply(accepted, outcome, name))
