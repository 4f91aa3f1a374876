"""Flows: dials that share their account, rank, campaign and, where numbers are paced, their number; and their paces."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from callmq_contracts.envelope import Priority
from callmq_worker.core.intake import Accepted

_DIGITS: Final = 16


class Rank(StrEnum):
    """What goes first among the dials of an account: what waited for a retry, then by the producer's priority."""

    AGAIN = "again"
    HIGH = "high"
    NORMAL = "normal"
    BULK = "bulk"


# Of 85 turns, while all of them wait: none starves, and each rank has four times the turns of the next.
RANK_WEIGHTS: Final[Mapping[str, float]] = {Rank.AGAIN: 64.0, Rank.HIGH: 16.0, Rank.NORMAL: 4.0, Rank.BULK: 1.0}
_RANKS: Final = {Priority.HIGH: Rank.HIGH, Priority.NORMAL: Rank.NORMAL, Priority.BULK: Rank.BULK}


class Flow(NamedTuple):
    """One line of waiting dials of an account. ``sender`` is a keyed hash of the number that calls, or empty."""

    rank: str
    campaign: str = ""
    sender: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """How one account dials: its rate and that of each of its numbers in dials a second, 0 for unpaced."""

    rate: float
    from_rate: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class CampaignPace:
    """How one campaign dials: its rate in dials a second, 0 for none of its own, and its weight beside others."""

    rate: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Rates:
    """All paces. ``usual`` is that of accounts and campaigns that have none of their own.

    ``shared``: there are several accounts, which take turns even where none is paced.
    """

    usual: Pace
    accounts: Mapping[str, Pace] = field(default_factory=dict)
    campaigns: Mapping[str, CampaignPace] = field(default_factory=dict)
    shared: bool = False

    def of(self, account: str) -> Pace:
        """Return how an account dials."""
        return self.accounts.get(account, self.usual)

    def campaign(self, name: str) -> CampaignPace:
        """Return how a campaign dials."""
        return self.campaigns.get(name, _PLAIN)

    def limits(self, account: str, campaign: str, sender: str) -> tuple[tuple[str, float], ...]:
        """Return the names and rates of all that paces a dial, its account's first."""
        pace = self.of(account)
        limits = [("", pace.rate)]
        if campaign and (rate := self.campaign(campaign).rate) > 0:
            limits.append((f"campaign:{campaign}", rate))
        if sender and pace.from_rate > 0:
            limits.append((f"from:{sender}", pace.from_rate))
        return tuple(limits)

    def weight(self, path: tuple[str, ...]) -> float:
        """Return the weight of a flow's part: its rank, its campaign within that, its number within that."""
        if len(path) == 1:
            return RANK_WEIGHTS.get(path[0], 1.0)
        return self.campaign(path[1]).weight if len(path) == 2 else 1.0  # noqa: PLR2004 - the second part


_PLAIN: Final = CampaignPace()


def flow_of(accepted: Accepted, rates: Rates, secret: bytes) -> Flow:
    """Return the flow of a dial. ``secret`` keys the hash of its number: a bare one can be guessed."""
    envelope = accepted.envelope
    rank = Rank.AGAIN if envelope.not_before is not None else _RANKS[envelope.priority]
    sender = sender_of(accepted.command.body, secret) if rates.of(envelope.account).from_rate > 0 else ""
    return Flow(rank, envelope.campaign or "", sender)


def sender_of(body: Mapping[str, Any], secret: bytes) -> str:
    """Return the keyed hash of the number that calls, empty where the body names none."""
    params = body.get("params")
    number = params.get("from") if isinstance(params, dict) else None
    if not isinstance(number, str) or not number:
        return ""
    return hmac.new(secret, b"from " + number.encode("utf-8", "backslashreplace"), "sha256").hexdigest()[:_DIGITS]
