"""The settings of paces and weights, by account and campaign."""

from collections.abc import Mapping
from typing import Any, Final

from callmq_worker.core.flow import CampaignPace, Pace, Rates
from callmq_worker.reading import Reading

MOST_DIAL_LANES: Final = 256
MOST_SHARDS: Final = 64
FASTEST: Final = 100_000.0
HEAVIEST: Final = 1000.0
LIGHTEST: Final = 0.001
ACCOUNT_RATES: Final = frozenset(("rate", "from_rate", "weight"))
_CAMPAIGN_RATES: Final = frozenset(("rate", "weight"))
_LONGEST_NAME: Final = 255


def read_rates(r: Reading, document: Mapping[str, Any], *, shared: bool) -> Rates:
    """Return all paces: those of the environment, and those of the file's accounts and campaigns.

    ``shared``: there are several accounts.
    """
    usual = Pace(
        r.number("CALLMQ_DIAL_RATE", 1.0, 0.0, FASTEST),
        r.number("CALLMQ_FROM_RATE", 0.0, 0.0, FASTEST),
    )
    accounts = {}
    for name, entry in _tables(document.get("accounts", {})):
        own = Reading({}, {k: v for k, v in entry.items() if k in ACCOUNT_RATES})
        rate, from_rate = (
            _rate(own, word, default) for word, default in (("rate", usual.rate), ("from_rate", usual.from_rate))
        )
        accounts[name] = Pace(rate, from_rate, _weight(own))
        r.errors += [f"accounts.{name[:64]}.{error}" for error in own.errors]
    listed = document.get("campaigns", {})
    if not isinstance(listed, Mapping) or not all(isinstance(entry, Mapping) for entry in listed.values()):
        r.fault("campaigns", "must be a table of tables in the file that CALLMQ_CONFIG names.")
    campaigns = {}
    for name, entry in _tables(listed):
        own = Reading({}, entry)
        if not 0 < len(name) <= _LONGEST_NAME:
            own.fault("name", "must have 1 to 255 characters.")
        own.strangers("", _CAMPAIGN_RATES)
        campaigns[name] = CampaignPace(_rate(own, "rate", 0.0), _weight(own))
        r.errors += [f"campaigns.{name[:64]}.{error.lstrip('.')}" for error in own.errors]
    return Rates(usual, accounts, campaigns, shared)


def _tables(listed: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(listed, Mapping):
        return []
    return [(str(name), entry) for name, entry in listed.items() if isinstance(entry, Mapping)]


def _rate(own: Reading, word: str, default: float) -> float:
    return own.number(word, default, 0.0, FASTEST)


def _weight(own: Reading) -> float:
    return own.number("weight", 1.0, LIGHTEST, HEAVIEST)
