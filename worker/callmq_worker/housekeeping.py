"""What a worker does beside its deliveries: replies that are owed, records that are old."""

import logging
from typing import Final

from callmq_worker.course import Condition
from callmq_worker.ports import Clock, Ledger, LedgerAwayError
from callmq_worker.settler import Settler

LOG = logging.getLogger("callmq.housekeeping")
PAUSE: Final = 2.0
PURGE_EVERY: Final = 60.0
PURGE_BATCH: Final = 500
PURGE_PAUSE: Final = 0.1


async def keep_house(settler: Settler, ledger: Ledger, retention: float, condition: Condition, clock: Clock) -> None:
    """Publish what is owed and purge what was closed ``retention`` seconds ago, in small batches, until cancelled."""
    purged_at = clock.monotonic()
    while True:
        await clock.sleep(PAUSE)
        try:
            if condition.broker is None and await settler.pay():
                LOG.info("owed replies published")
            if clock.monotonic() - purged_at > PURGE_EVERY:
                purged_at = clock.monotonic()
                while await ledger.purge(retention, PURGE_BATCH) == PURGE_BATCH:
                    await clock.sleep(PURGE_PAUSE)
        except LedgerAwayError as error:
            LOG.warning("housekeeping put off", extra={"fields": {"reason": str(error)}})
        except Exception:
            LOG.exception("housekeeping failed, and goes on")
