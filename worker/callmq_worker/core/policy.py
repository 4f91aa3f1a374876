"""What an account allows its commands: a guard against toll fraud, and against whoever has no business with it."""

from dataclasses import dataclass

from callmq_worker.core.hosts import Hosts


@dataclass(frozen=True, slots=True)
class Restrictions:
    """The rules of one account; None is no rule, an empty list allows nothing. ``max_price_per_minute`` in dollars.

    ``producers``: users of the broker. Of the prefixes the longest that fits counts, and a denied one against an
    allowed one of the same length.
    """

    producers: frozenset[str] | None = None
    allowed_prefixes: frozenset[str] | None = None
    denied_prefixes: frozenset[str] = frozenset()
    from_numbers: frozenset[str] | None = None
    sip_hosts: Hosts | None = None
    url_hosts: Hosts | None = None
    max_price_per_minute: float | None = None
