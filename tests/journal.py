"""What was seen of a world from outside: publishes, receipts, replies, what lies on the broker and in the ledger.

A simulated world and a campaign with real processes say it in the same words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, TypeAlias

import orjson

# About the message and not about the intention: never recorded.
UNRECORDED = frozenset(
    {
        "malformed", "too_large", "wrong_content_type", "unknown_command", "invalid_params",
        "missing_idempotency_key", "invalid_header", "routing_key_mismatch", "call_id_mismatch", "unknown_account",
        "account_forbidden", "policy_denied", "idempotency_conflict",
    }
)  # fmt: skip


Intent: TypeAlias = "str | tuple[str, str | None]"


def essence(document: Any) -> str | None:
    """Return a digest of a JSON document, or of its text; None where it is none."""
    if document is None:
        return None
    try:
        value = orjson.loads(document) if isinstance(document, bytes) else document
    except orjson.JSONDecodeError:
        return None
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()


@dataclass(frozen=True, slots=True)
class Sent:
    """One publish. ``name``: its correlation id. ``expires_at`` in seconds since the epoch."""

    name: str
    key: str | None
    command: str
    body: bytes
    safety: str
    expires_at: float
    call_id: str | None = None
    confirmed: bool = True

    @property
    def intent(self) -> Intent:
        """What is to happen once: its key, or the command on its call."""
        return self.key or (self.command, self.call_id)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One request that reached the endpoint. ``later``: its answer said that it was not done, and to come again.

    ``spared``: the endpoint failed all, so that the attempt does not count. ``status``: what was answered; ``body`` and
    ``answer``: the essence of what came, and of what was to be answered, where that is known; ``cut``: it was answered
    in part or late, so that no more than its status may have been understood.
    """

    key: str | None
    command: str
    at: float
    acted: bool
    later: bool = False
    call_id: str | None = None
    spared: bool = False
    status: int | None = None
    body: str | None = None
    answer: str | None = None
    cut: bool = False

    @property
    def intent(self) -> Intent:
        """What it was about."""
        return self.key or (self.command, self.call_id)


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the reply exchange. ``to``: its correlation id."""

    to: str | None
    document: Mapping[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.document["outcome"])

    @property
    def code(self) -> str | None:
        return self.document["problem"]["code"] if self.document["problem"] else None

    @property
    def about_intent(self) -> bool:
        """Whether it is about what was to happen, and not about the message."""
        return self.code not in UNRECORDED

    @property
    def recorded(self) -> bool:
        return self.document["idempotency_key"] is not None and self.about_intent


@dataclass(frozen=True, slots=True)
class Copy:
    """A dead or a parked copy of a message. ``name``: its correlation id."""

    key: str | None
    outcome: str
    body: bytes
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """All that was seen of one world, in order; to be judged when nothing moves any more.

    ``left``: messages in lanes and tiers. ``ledger``: the outcome that it has of each key. ``reopened``: how often a
    person let a key be dispatched again. ``cancelled``: keys and calls, and from when on every worker that still sends
    must have heard of it. ``parted``: keys of which a copy waited in a tier, or that came while their lane's queue was
    gone: a call's order ends there. ``healthy``: nothing was disturbed. ``max_attempts``: what the workers were set to.
    """

    sent: Sequence[Sent]
    receipts: Sequence[Receipt]
    replies: Sequence[Said]
    dead: Sequence[Copy] = ()
    parked: Sequence[Copy] = ()
    left: Mapping[str, int] = field(default_factory=dict)
    ledger: Mapping[str, str] = field(default_factory=dict)
    reopened: Mapping[str, int] = field(default_factory=dict)
    parted: frozenset[str] = frozenset()
    healthy: bool = False
    max_attempts: int = 8
    cancelled: Mapping[str, float] = field(default_factory=dict)

    def recorded(self) -> dict[str, list[Said]]:
        """Return the replies of each key that are about the intention."""
        found: dict[str, list[Said]] = defaultdict(list)
        for said in self.replies:
            if said.recorded:
                found[str(said.document["idempotency_key"])].append(said)
        return found

    def by_intent(self) -> dict[Intent, list[Receipt]]:
        """Return the requests of each intention, in order."""
        found: dict[Intent, list[Receipt]] = defaultdict(list)
        for receipt in self.receipts:
            found[receipt.intent].append(receipt)
        return found

    def safety(self) -> dict[Intent, set[str]]:
        """Return the safety classes of what was published for each intention."""
        found: dict[Intent, set[str]] = defaultdict(set)
        for sent in self.sent:
            found[sent.intent].add(sent.safety)
        return found

    def answered(self) -> list[tuple[Sent, Said]]:
        """Return each reply about an intention, with the publish that it names."""
        named = {sent.name: sent for sent in self.sent}
        return [(named[said.to], said) for said in self.replies if said.about_intent and said.to in named]
