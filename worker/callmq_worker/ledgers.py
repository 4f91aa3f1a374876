"""From a URL to a ledger; part of the wiring. A store's client library is imported only where it is chosen."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from callmq_worker.adapters.sqlite import SqliteLedger
from callmq_worker.ports import Clock, Ledger, LedgerAwayError, LedgerUnusableError
from callmq_worker.settings import SQLITE

LOG = logging.getLogger("callmq.wiring")
LONGEST_WAIT: Final = 15.0
T = TypeVar("T")
_Named: TypeAlias = Callable[[str, bool], Ledger]


async def open_ledger(url: str, clock: Clock, *, wait: bool, make: bool = True) -> Ledger:
    """Open the ledger that a URL names.

    ``wait``: with backoff, until it answers; else raises `LedgerAwayError`. Without ``make`` nothing is made or brought
    up to date. Raises `LedgerUnusableError` where waiting won't help.
    """
    named = _LEDGERS[url.partition("://")[0]]

    async def opened() -> Ledger:
        return await _answering(named(url, make))

    return await (until_answered(opened, clock) if wait else opened())


async def until_answered(ask: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Ask, with backoff, until the ledger answers. Raises `LedgerUnusableError` where waiting won't help."""
    tries = 0
    while True:
        try:
            return await ask()
        except LedgerUnusableError:
            raise
        except LedgerAwayError as error:
            pause = min(LONGEST_WAIT, 0.2 * 2**tries)
            LOG.warning("ledger away, trying again", extra={"fields": {"reason": str(error), "seconds": pause}})
            await clock.sleep(pause)
            tries = min(tries + 1, 10)


async def _answering(ledger: Ledger) -> Ledger:
    """Return the ledger once it answers; close it where it does not."""
    try:
        await ledger.secret()
    except BaseException:
        await ledger.close()
        raise
    return ledger


def _sqlite(url: str, make: bool) -> Ledger:  # noqa: FBT001 - the shape of all that name one
    return SqliteLedger(Path(url.removeprefix(SQLITE)), make=make)


def _postgres(url: str, make: bool) -> Ledger:  # noqa: FBT001
    try:
        from callmq_worker.adapters.postgres import PostgresLedger  # noqa: PLC0415 - only where it is chosen
    except ImportError as error:
        raise _missing("postgres") from error
    return PostgresLedger(url, make=make)


def _redis(url: str, make: bool) -> Ledger:  # noqa: FBT001
    try:
        from callmq_worker.adapters.redis import RedisLedger  # noqa: PLC0415 - only where it is chosen
    except ImportError as error:
        raise _missing("redis") from error
    return RedisLedger(url, make=make)


def _missing(extra: str) -> LedgerUnusableError:
    return LedgerUnusableError(
        f"The ledger that CALLMQ_LEDGER_URL names needs a client library: pip install 'callmq[worker,{extra}]'."
    )


_LEDGERS: Final[dict[str, _Named]] = {
    "sqlite": _sqlite,
    "postgresql": _postgres,
    "postgres": _postgres,
    "redis": _redis,
    "rediss": _redis,
}
