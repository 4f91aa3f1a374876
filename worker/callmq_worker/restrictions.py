"""The settings that restrict an account: who may use it, what its commands may reach, at which price."""

import re
from collections.abc import Mapping
from typing import Any, Final

from callmq_worker.core.denial import Restrictions
from callmq_worker.core.hosts import Hosts, parse_hosts
from callmq_worker.core.reach import Numbers
from callmq_worker.reading import Reading

RESTRICTION_KEYS: Final = frozenset(
    (
        "producers",
        "allowed_prefixes",
        "denied_prefixes",
        "from_numbers",
        "allowed_sip_hosts",
        "allowed_url_hosts",
        "max_price_per_minute",
    )
)
_CHEAPEST: Final = 0.0001
_DEAREST: Final = 1000.0
_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,14}\Z")
_PREFIX_RULE: Final = "must be + and 1 to 15 digits, the first not 0"
_FROM: Final = re.compile(r"(?:\+[1-9][0-9]{1,14}|[0-9]{1,6}|sips?:[^\x00-\x20\x7f]+)\Z")
_USER: Final = re.compile(r"[^\x00-\x1f\x7f]{1,255}\Z")


def read_restrictions(r: Reading, name: str, entry: Mapping[str, Any]) -> Restrictions | None:
    """Return what an account's table restricts, None where it restricts nothing."""
    if not RESTRICTION_KEYS & entry.keys():
        return None
    own = _Table(r, f"accounts.{name}", entry)
    allowed = own.texts("allowed_prefixes", _PREFIX, _PREFIX_RULE)
    denied = own.texts("denied_prefixes", _PREFIX, _PREFIX_RULE)
    return Restrictions(
        producers=own.texts("producers", _USER, "must be names of broker users, of 1 to 255 characters"),
        numbers=Numbers(allowed, denied or frozenset()) if allowed is not None or denied else None,
        from_numbers=own.texts("from_numbers", _FROM, "must be numbers in E.164 form, SIP addresses or short ids"),
        sip_hosts=own.hosts("allowed_sip_hosts", ports=False),
        url_hosts=own.hosts("allowed_url_hosts", ports=True),
        max_price_per_minute=own.price("max_price_per_minute"),
    )


class _Table:
    """One account's table; what is wrong in it goes to the one reading of all settings."""

    def __init__(self, r: Reading, name: str, entry: Mapping[str, Any]) -> None:
        self._r = r
        self._name = name
        self._entry = entry

    def fault(self, key: str, rule: str) -> None:
        self._r.fault(f"{self._name}.{key}", f"{rule}.")

    def texts(self, key: str, pattern: re.Pattern[str], rule: str) -> frozenset[str] | None:
        """Return a list of texts, None where it is not set or wrong; an empty list allows nothing."""
        if key not in self._entry:
            return None
        value = self._entry[key]
        if not isinstance(value, list):
            self.fault(key, f'must be a list of texts, such as ["…", "…"]: {rule}')
            return None
        wrong = [n for n, text in enumerate(value) if not (isinstance(text, str) and pattern.match(text))]
        for n in wrong:
            self.fault(f"{key}[{n}]", rule)
        return None if wrong else frozenset(value)

    def hosts(self, key: str, *, ports: bool) -> Hosts | None:
        """Return a list of hosts, None where it is not set or wrong."""
        entries = self.texts(key, _USER, "must be a host's name")
        if entries is None:
            return None
        try:
            return parse_hosts(entries, ports=ports)
        except ValueError as error:
            self.fault(key, str(error))
            return None

    def price(self, key: str) -> float | None:
        """Return a price in dollars, None where it is not set or wrong."""
        if key not in self._entry:
            return None
        value = self._entry[key]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and _CHEAPEST <= value <= _DEAREST):
            self.fault(key, f"must be a number of dollars from {_CHEAPEST:g} to {_DEAREST:g}")
            return None
        return float(value)
