"""Which accounts the endpoint refuses or fails, as each worker finds it: a note by account, for those who look.

Nothing depends on it. What a worker said lasts a minute, and is said again while it is so: one that died is forgotten.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

import orjson

from callmq_worker.core.redact import mask_text

NOTE: Final = "trouble"
LASTS: Final = 60.0
MAX_REASON: Final = 200

Change: TypeAlias = Callable[[bytes | None, float], tuple[bytes | None, None]]


class Trouble(NamedTuple):
    """What one worker says of an account: since when, and until when that counts, on the ledger's clock."""

    reason: str
    since: float
    until: float


def read(said: bytes | None, now: float) -> dict[str, Trouble]:
    """Return what counts at a time, by worker. What another version wrote counts as nothing."""
    try:
        told = orjson.loads(said or b"{}")
        found = {str(owner): Trouble(str(r), float(since), float(until)) for owner, (r, since, until) in told.items()}
    except (ValueError, TypeError, AttributeError):
        return {}
    return {owner: trouble for owner, trouble in found.items() if trouble.until > now}


def tell(owner: str, reason: str) -> Change:
    """Say that an account can't work here; said again for the same reason it keeps its beginning."""
    words = mask_text(reason)[:MAX_REASON]

    def change(said: bytes | None, now: float) -> tuple[bytes | None, None]:
        troubles = read(said, now)
        before = troubles.get(owner)
        since = before.since if before is not None and before.reason == words else now
        return _written(troubles | {owner: Trouble(words, since, now + LASTS)}), None

    return change


def withdraw(owner: str) -> Change:
    """Say that the account works here again."""

    def change(said: bytes | None, now: float) -> tuple[bytes | None, None]:
        troubles = read(said, now)
        if owner not in troubles:
            return None, None
        return _written({other: trouble for other, trouble in troubles.items() if other != owner}), None

    return change


def _written(troubles: Mapping[str, Trouble]) -> bytes:
    return orjson.dumps({owner: list(trouble) for owner, trouble in troubles.items()})


def reasons(troubles: Mapping[str, Trouble]) -> list[str]:
    """Return each reason with the number of workers that gave it, the most frequent first."""
    counted = Counter(trouble.reason for trouble in troubles.values())
    return [f"{reason} ({count} {'worker' if count == 1 else 'workers'})" for reason, count in counted.most_common()]
