"""What operators have said to all workers, kept in one note: what is cancelled and until when, what is paused and why.

A cancellation stays in force for as long as a command may wait, so what is published later under its name is cancelled
as well; a pause stands until it is lifted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import orjson

from callmq_contracts.reply import iso_time
from callmq_worker.core.note import note_key
from callmq_worker.core.record import RecordKey
from callmq_worker.core.redact import mask_text

NOTE: Final[RecordKey] = note_key("controls")
MOST_CANCELLATIONS: Final = 10_000
MOST_PAUSES: Final = 1_000
MAX_WHY: Final = 200
REWRITE: Final = 43_200.0  # seconds: a note that nobody changes is purged after the ledger's retention, at least 7 days
_VERSION: Final = 1
T = TypeVar("T")


class UnreadableError(Exception):
    """The note was written by another version: what is cancelled can't be known."""


class Scope(StrEnum):
    """What a control names."""

    KEY = "key"
    CAMPAIGN = "campaign"
    CALL = "call"
    ACCOUNT = "account"


class Target(NamedTuple):
    """What is meant, by name; a key belongs to an account."""

    scope: Scope
    name: str
    account: str = ""


class Cancellation(NamedTuple):
    """From when until when, in seconds since the epoch, by the store's time."""

    since: float
    until: float


class Pause(NamedTuple):
    """Since when, in seconds since the epoch, and the operator's own words, without phone numbers."""

    since: float
    why: str


class Full(NamedTuple):
    """There is no room for another one."""

    most: int


@dataclass(frozen=True, slots=True)
class Standing:
    """All that is in force. ``written_at``: when the note was last written, by the store's time."""

    written_at: float = 0.0
    cancelled: Mapping[Target, Cancellation] = field(default_factory=dict)
    paused: Mapping[Target, Pause] = field(default_factory=dict)

    def cancels(self, account: str, key: str | None, campaign: str | None, call_id: str | None) -> Scope | None:
        """Return what of a command is cancelled, ``None`` where nothing is."""
        cancelled = self.cancelled
        if not cancelled:
            return None
        if key is not None and Target(Scope.KEY, key, account) in cancelled:
            return Scope.KEY
        if campaign is not None and Target(Scope.CAMPAIGN, campaign) in cancelled:
            return Scope.CAMPAIGN
        if call_id is not None and Target(Scope.CALL, call_id) in cancelled:
            return Scope.CALL
        return None

    def pauses(self, scope: Scope) -> dict[str, str]:
        """Return the names of a scope that are paused, and why."""
        return {target.name: pause.why for target, pause in self.paused.items() if target.scope is scope}

    def at(self, now: float) -> "Standing":
        """Return what of it is in force at a time."""
        return replace(self, cancelled={t: c for t, c in self.cancelled.items() if c.until > now})


NOTHING: Final = Standing()


def read(said: bytes | None) -> Standing:
    """Read the note. Raises `UnreadableError`."""
    if said is None:
        return NOTHING
    try:
        told = orjson.loads(said)
        if told["version"] != _VERSION:
            raise UnreadableError
        cancelled = {
            Target(Scope(scope), name, account): Cancellation(since, until)
            for scope, name, account, since, until in told["cancelled"]
        }
        paused = {Target(Scope(scope), name): Pause(since, why) for scope, name, since, why in told["paused"]}
        return Standing(told["written_at"], cancelled, paused)
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError from error


def write(standing: Standing) -> bytes:
    """Return the note's content."""
    cancelled = [[*target, *span] for target, span in standing.cancelled.items()]
    paused = [[target.scope, target.name, *pause] for target, pause in standing.paused.items()]
    return orjson.dumps(
        {"version": _VERSION, "written_at": standing.written_at, "cancelled": cancelled, "paused": paused}
    )


# What `note.amend` runs; each raises `UnreadableError`, which changes nothing.
Change: TypeAlias = Callable[[bytes | None, float], tuple[bytes | None, T]]


def _change(decide: Callable[[Standing, float], tuple[Standing | None, T]]) -> Change[T]:
    def change(said: bytes | None, now: float) -> tuple[bytes | None, T]:
        after, verdict = decide(read(said).at(now), now)
        return (None if after is None else write(replace(after, written_at=now))), verdict

    return change


def cancel(target: Target, seconds: float) -> Change[Cancellation | Full]:
    """Cancel for so many seconds from now on; one that stands is only ever made longer."""

    def decide(standing: Standing, now: float) -> tuple[Standing | None, Cancellation | Full]:
        before = standing.cancelled.get(target)
        if before is None and len(standing.cancelled) >= MOST_CANCELLATIONS:
            return None, Full(MOST_CANCELLATIONS)
        since, until = before if before is not None else (now, now)
        span = Cancellation(since, max(until, now + seconds))
        return replace(standing, cancelled={**standing.cancelled, target: span}), span

    return _change(decide)


def lift(target: Target) -> Change[bool]:
    """End a cancellation: what was answered stays cancelled. False: there was none."""

    def decide(standing: Standing, _now: float) -> tuple[Standing | None, bool]:
        if target not in standing.cancelled:
            return None, False
        return replace(standing, cancelled={t: c for t, c in standing.cancelled.items() if t != target}), True

    return _change(decide)


def pause(target: Target, why: str) -> Change[Pause | Full]:
    """Pause until it is resumed; one that stands keeps its beginning and gets the new words."""
    printable = "".join(each if each.isprintable() else " " for each in why)
    words = mask_text(" ".join(printable.split()))[:MAX_WHY]

    def decide(standing: Standing, now: float) -> tuple[Standing | None, Pause | Full]:
        before = standing.paused.get(target)
        if before is None and len(standing.paused) >= MOST_PAUSES:
            return None, Full(MOST_PAUSES)
        stands = Pause(now if before is None else before.since, words)
        return replace(standing, paused={**standing.paused, target: stands}), stands

    return _change(decide)


def resume(target: Target) -> Change[bool]:
    """End a pause. False: there was none."""

    def decide(standing: Standing, _now: float) -> tuple[Standing | None, bool]:
        if target not in standing.paused:
            return None, False
        return replace(standing, paused={t: p for t, p in standing.paused.items() if t != target}), True

    return _change(decide)


def refresh(said: bytes | None, now: float) -> tuple[bytes | None, None]:
    """Write the note anew where it is old or something in it is over, so that what stands is never purged."""
    standing = read(said)
    if not wants_refresh(standing, now):
        return None, None
    return write(replace(standing.at(now), written_at=now)), None


def wants_refresh(standing: Standing, now: float) -> bool:
    """Say whether the note should be written anew; one in which nothing stands may be purged."""
    over = any(span.until <= now for span in standing.cancelled.values())
    stands = bool(standing.cancelled or standing.paused)
    return over or (stands and now - standing.written_at >= REWRITE)


def rows(standing: Standing, *, masked: bool = True) -> list[dict[str, Any]]:
    """Return what a list shows, oldest first. ``masked``: without the phone numbers in names."""
    shown = [
        *(
            (span.since, _row("cancelled", t, span.since, masked) | {"until": iso_time(span.until)})
            for t, span in standing.cancelled.items()
        ),
        *(
            (stands.since, _row("paused", t, stands.since, masked) | {"why": stands.why})
            for t, stands in standing.paused.items()
        ),
    ]
    return [row for _, row in sorted(shown, key=lambda pair: pair[0])]


def _row(control: str, target: Target, since: float, masked: bool) -> dict[str, Any]:  # noqa: FBT001 - of rows
    names = [mask_text(text) if masked else text for text in (target.name, target.account)]
    return {
        "control": control,
        "scope": target.scope.value,
        "name": names[0],
        "account": names[1] or None,
        "since": iso_time(since),
        "until": None,
        "why": None,
    }
