"""Whether a dead copy may be published again, and as what: under its own key, or under a new one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from callmq_contracts import envelope as wire
from callmq_contracts.envelope import parse_moment
from callmq_contracts.names import Names
from callmq_contracts.problem import ProblemCode
from callmq_worker.core.copies import Copy
from callmq_worker.core.publications import PUBLISHED_HEADERS, Publication
from callmq_worker.core.record import Record, State

AUTO: Final = "auto"
MAX_KEY: Final = 255
# About the message or its key and not about the intention: nothing was recorded for them.
UNRECORDED: Final = frozenset(
    {
        ProblemCode.MALFORMED,
        ProblemCode.TOO_LARGE,
        ProblemCode.WRONG_CONTENT_TYPE,
        ProblemCode.UNKNOWN_COMMAND,
        ProblemCode.INVALID_PARAMS,
        ProblemCode.MISSING_IDEMPOTENCY_KEY,
        ProblemCode.INVALID_HEADER,
        ProblemCode.ROUTING_KEY_MISMATCH,
        ProblemCode.CALL_ID_MISMATCH,
        ProblemCode.UNKNOWN_ACCOUNT,
        ProblemCode.ACCOUNT_FORBIDDEN,
        ProblemCode.POLICY_DENIED,
        ProblemCode.IDEMPOTENCY_CONFLICT,
    }
)
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,255}\Z")
_OUR_SUFFIX: Final = re.compile(r"~[0-9a-f]{12}\Z")
_ID_PART: Final = 12


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person allows. ``new_key``: a suffix or ``auto``; ``retention`` of records, in seconds."""

    new_key: str | None
    override_retention: bool
    expires_at: float | None
    retention: float


@dataclass(frozen=True, slots=True)
class Replayable:
    """It may be published again under this key."""

    key: str | None


@dataclass(frozen=True, slots=True)
class Stays:
    """It stays where it is, for a reason with its remedy."""

    why: str


def weigh(copy: Copy, record: Record | None, terms: Terms, now: float) -> Replayable | Stays:
    """Judge one dead copy by the record of its key; times in seconds since the epoch."""
    if copy.truncated_from is not None:
        return Stays("its body was cut when it was kept: publish the whole command anew.")
    if not copy.original.routing_key:
        return Stays("the command that it was published for is not known: publish it anew.")
    key = copy.envelope.key
    if key is not None and record is None and not terms.override_retention and _outlived(copy, terms, now):
        return Stays(
            "its record is no longer in the ledger, which therefore can't say what became of the key: "
            "make sure that it was not done since, then add --override-retention."
        )
    if terms.new_key is not None:
        return _renamed(copy, terms.new_key)
    if record is not None and record.state in (State.CLOSED, State.UNKNOWN):
        return Stays(_taken(copy, record))
    return Replayable(key)


def _outlived(copy: Copy, terms: Terms, now: float) -> bool:
    if copy.answered and copy.code not in UNRECORDED:
        return True
    return copy.received_at is None or now - copy.received_at > terms.retention


def _taken(copy: Copy, record: Record) -> str:
    if record.state is State.UNKNOWN:
        return "the outcome of its key is unknown: resolve it first (callmq unknown)."
    if copy.code in UNRECORDED:
        meaning = "its key has been used for another message since: it would be answered from there, or rejected."
    else:
        meaning = "its key has a recorded outcome: only the stored reply would be published again, nothing done."
    return f"{meaning} --new-key auto makes it a new intention, which may dial again."


def _renamed(copy: Copy, suffix: str) -> Replayable | Stays:
    key = copy.envelope.key or ("replay" if suffix == AUTO else "")
    if suffix == AUTO:
        # Derived from the copy, so that a replay that broke off half-way and is run again makes no second intention.
        suffix = f"~{copy.id[:_ID_PART]}"
        key = _OUR_SUFFIX.sub("", key)[: MAX_KEY - len(suffix)]
    renamed = f"{key}{suffix}"
    if not _VISIBLE.match(renamed):
        return Stays("the new key would not be 1 to 255 visible ASCII characters: give another --new-key.")
    return Replayable(renamed)


def republication(
    copy: Copy, names: Names, key: str | None, expires_at: float | None, now: float, user: str | None = None
) -> Publication:
    """Return the command as its producer published it, but now, and never with a header of ours or of the broker.

    An ``expires-at`` that has passed is left out; ``expires_at`` (seconds since the epoch) takes its place. Where its
    producer named the broker's user, it is now that of the operator, ``user``: the broker lets nobody name another.
    """
    properties, envelope = copy.original, copy.envelope
    headers = {n: v for n, v in properties.headers.items() if n in PUBLISHED_HEADERS}
    if _passed(headers, now):
        del headers[wire.EXPIRES_AT]
    if expires_at is not None:
        headers[wire.EXPIRES_AT] = int(expires_at * 1000)
    if key is not None:
        headers[wire.IDEMPOTENCY_KEY] = key
    kind = properties.content_type
    return Publication(
        names.commands,
        properties.routing_key,
        copy.body,
        headers,
        content_type=kind if isinstance(kind, str) else None,
        correlation_id=envelope.correlation_id,
        app_id=envelope.app_id,
        reply_to=envelope.reply_to,
        timestamp=now,
        user_id=user if envelope.user_id is not None else None,
    )


def _passed(headers: Mapping[str, Any], now: float) -> bool:
    moment = parse_moment(headers.get(wire.EXPIRES_AT))
    return moment is not None and moment <= now
