"""The guard: the only ways in which a record may change, each a pure step run inside the ledger's transaction."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from callmq_contracts.command import Safety
from callmq_worker.core.record import (
    Busy,
    Claim,
    Conclusion,
    Conflict,
    Fenced,
    Intent,
    Record,
    RecordKey,
    Spent,
    State,
    Step,
    Stored,
    Weighed,
)

_LINE: Final = b"\n"
EARLY: Final = 1.0  # seconds by which an attempt may come before its time: tiers and clocks are not exact


def claim(intent: Intent) -> Step[Weighed]:
    """Ask for the right to act. What is found decides, expiry only where there is no outcome yet."""

    def step(record: Record | None, now: float) -> tuple[Record | None, Weighed]:
        if record is None:
            if now >= intent.expires_at:
                return None, Spent(0, 0, doubt=False, expired=True, received_at=intent.received_at)
            fresh = Record(
                account=intent.account,
                key=intent.key,
                fingerprint=intent.fingerprint,
                command=intent.command,
                state=State.FREE,
                received_at=intent.received_at,
                updated_at=now,
            )
            return _take(fresh, intent, now, doubt=False)
        found = _found(record, intent, now)
        if found is not None:
            return None, found
        doubt = _doubted(record, intent)
        used = record.attempt - record.spared
        expired = now >= intent.expires_at
        if expired or used >= intent.max_attempts:
            return None, Spent(record.attempt, used, doubt, expired, record.received_at)
        return _take(record, intent, now, doubt=doubt)

    return step


def withdraw(intent: Intent) -> Step[Stored | Conflict | Busy | Spent]:
    """Ask how a cancelled command stands. `Spent`: nobody is at it, so it may be concluded; what was is not undone."""

    def step(record: Record | None, now: float) -> tuple[Record | None, Stored | Conflict | Busy | Spent]:
        if record is None:
            return None, Spent(0, 0, doubt=False, expired=False, received_at=intent.received_at)
        if record.state is State.FREE:  # it need not wait for its next attempt
            record = record._replace(lease_until=0.0)
        found = _found(record, intent, now)
        if found is not None:
            return None, found
        used, doubt = record.attempt - record.spared, _doubted(record, intent)
        return None, Spent(record.attempt, used, doubt, expired=False, received_at=record.received_at)

    return step


def _doubted(record: Record, intent: Intent) -> bool:
    return record.doubt or (record.state is not State.FREE and intent.safety is not Safety.UNSAFE)


def _found(record: Record, intent: Intent, now: float) -> Stored | Conflict | Busy | Spent | None:
    if record.fingerprint != intent.fingerprint:
        return Conflict()
    if record.state in (State.CLOSED, State.UNKNOWN) and record.reply is not None:
        return Stored(record.reply, unknown=record.state is State.UNKNOWN)
    if record.state in (State.HELD, State.SENDING) and record.lease_until > now:
        return Busy(record.lease_until - now)
    if record.state is State.FREE and record.lease_until > now and now < intent.expires_at:
        return Busy(record.lease_until - now)  # it waits for its next attempt, and a repeat of it waits as well
    if record.state is State.SENDING and intent.safety is Safety.UNSAFE:
        used = record.attempt - record.spared
        return Spent(record.attempt, used, doubt=True, expired=False, received_at=record.received_at)
    return None


def _take(record: Record, intent: Intent, now: float, *, doubt: bool) -> tuple[Record, Claim]:
    taken = record._replace(
        state=State.HELD,
        attempt=record.attempt + 1,
        owner=intent.owner,
        lease_until=now + intent.lease,
        doubt=doubt,
        updated_at=now,
    )
    used = taken.attempt - taken.spared
    return taken, Claim(taken.account, taken.key, taken.attempt, intent.owner, used, doubt, taken.received_at)


def _holds(record: Record | None, held: Claim) -> bool:
    return (
        record is not None
        and record.attempt == held.attempt
        and record.owner == held.owner
        and record.state in (State.HELD, State.SENDING)
    )


def mark_sending(held: Claim, lease: float, expires_at: float) -> Step[bool]:
    """Write down that the first byte may leave now, and renew the lease. False: it must not leave."""

    def step(record: Record | None, now: float) -> tuple[Record | None, bool]:
        if record is None or not _holds(record, held) or record.lease_until <= now or now >= expires_at:
            return None, False
        return record._replace(state=State.SENDING, lease_until=now + lease, updated_at=now), True

    return step


def release(held: Claim, *, doubt: bool, spare: bool, wait: float = 0.0) -> Step[bool]:
    """Free the intention for an attempt in ``wait`` seconds, and none before. ``spare``: this one uses up nothing."""

    def step(record: Record | None, now: float) -> tuple[Record | None, bool]:
        if record is None or not _holds(record, held):
            return None, False
        freed = record._replace(
            state=State.FREE,
            owner=None,
            lease_until=now + wait - EARLY if wait > EARLY else 0.0,
            doubt=record.doubt or doubt,
            spared=record.spared + (1 if spare else 0),
            updated_at=now,
        )
        return freed, True

    return step


def conclude(conclusion: Conclusion) -> Step[Stored | Fenced]:
    """Record an outcome, or find the one that was recorded before. More information is accepted, never less."""

    def step(record: Record | None, now: float) -> tuple[Record | None, Stored | Fenced]:
        intent = conclusion.intent
        if record is not None:
            standing = _standing(record, conclusion)
            if standing is not None:
                return None, standing
        sequence = (record.sequence if record else 0) + 1
        reply = conclusion.build(sequence)
        due = record.due if record else None  # who was not told what was provisional is told what is final
        if record is not None and record.state is State.UNKNOWN and conclusion.address is not None:
            due = _also(due, conclusion.address())
        closed = Record(
            account=intent.account,
            key=intent.key,
            fingerprint=intent.fingerprint,
            command=intent.command,
            state=State.UNKNOWN if conclusion.unknown else State.CLOSED,
            received_at=record.received_at if record else intent.received_at,
            updated_at=now,
            attempt=record.attempt if record else conclusion.attempt,
            spared=record.spared if record else 0,
            doubt=conclusion.unknown,
            sequence=sequence,
            reply=reply,
            due=due,
        )
        return closed, Stored(reply, conclusion.unknown, fresh=True, due=due)

    return step


def _standing(record: Record, conclusion: Conclusion) -> Stored | Fenced | None:
    if record.fingerprint != conclusion.intent.fingerprint:
        return Fenced()  # another body has the key since: asked again, the guard says so
    stored = _stored(record)
    if record.attempt != conclusion.attempt:
        return stored or Fenced()
    if stored is None or (stored.unknown and not conclusion.unknown):
        return None
    # A ledger that lost the word of its commit runs the same conclusion again: its reply is as fresh as before.
    return replace(stored, fresh=conclusion.build(record.sequence) == stored.reply, due=record.due)


def _stored(record: Record) -> Stored | None:
    if record.state in (State.CLOSED, State.UNKNOWN) and record.reply is not None:
        return Stored(record.reply, unknown=record.state is State.UNKNOWN)
    return None


def resolve(build: Callable[[Record, int], bytes], due: bytes | None = None) -> Step[Stored | None]:
    """Close an ``unknown`` by a person's or a probe's word. None: there is no unknown under this key.

    ``due``: where the new reply is owed from now on, since no delivery will ask for it again. Where the provisional
    reply was owed, the final one takes its place.
    """

    def step(record: Record | None, now: float) -> tuple[Record | None, Stored | None]:
        if record is None or record.state is not State.UNKNOWN:
            return None, None
        sequence = record.sequence + 1
        reply = build(record, sequence)
        owed = record.due if due is None else _also(record.due, due)
        closed = record._replace(
            state=State.CLOSED, doubt=False, sequence=sequence, reply=reply, due=owed, updated_at=now
        )
        return closed, Stored(reply, unknown=False, fresh=True)

    return step


def reopen() -> Step[bool]:
    """Let an ``unknown`` be dispatched once more, because a person said so. The doubt stays: the first may count."""

    def step(record: Record | None, now: float) -> tuple[Record | None, bool]:
        if record is None or record.state is not State.UNKNOWN:
            return None, False
        return record._replace(state=State.FREE, spared=record.attempt, updated_at=now), True

    return step


def addresses(due: bytes | None) -> tuple[bytes, ...]:
    """Return where a reply is owed: each repeat of a command has an address of its own, a line each."""
    return tuple(due.split(_LINE)) if due else ()


def _also(due: bytes | None, address: bytes) -> bytes:
    return _LINE.join(dict.fromkeys((*addresses(due), address)))


def owe(address: bytes) -> Step[bool]:
    """Note that the reply could not be published yet, and where it belongs, besides what is owed already.

    Where a final one has taken a provisional one's place meanwhile, that is owed.
    """

    def step(record: Record | None, now: float) -> tuple[Record | None, bool]:
        if record is None or record.reply is None:
            return None, False
        return record._replace(due=_also(record.due, address), updated_at=now), True

    return step


def paid(reply: bytes, address: bytes) -> Step[bool]:
    """Note that the owed reply was published to this address."""

    def step(record: Record | None, _now: float) -> tuple[Record | None, bool]:
        if record is None or record.reply != reply or address not in addresses(record.due):
            return None, False
        left = [each for each in addresses(record.due) if each != address]
        return record._replace(due=_LINE.join(left) or None), True

    return step


def debt_key(document: Mapping[str, Any]) -> RecordKey:
    """Return where a reply without a record of its own is owed; no idempotency key has a space, so none collides."""
    return RecordKey(str(document["account"]), f"reply {document['reply_id']}")


def owe_alone(document: Mapping[str, Any], reply: bytes, address: bytes) -> Step[bool]:
    """Note a reply that could not be published and that no record holds."""
    key = debt_key(document)

    def step(record: Record | None, now: float) -> tuple[Record | None, bool]:
        if record is not None:
            return record._replace(due=_also(record.due, address), updated_at=now), True
        owed = Record(
            account=key.account,
            key=key.key,
            fingerprint=b"",
            command=str(document["command"] or "-"),
            state=State.CLOSED,
            received_at=now,
            updated_at=now,
            sequence=1,
            reply=reply,
            due=address,
        )
        return owed, True

    return step
