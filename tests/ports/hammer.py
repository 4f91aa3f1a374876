"""One of several processes that work on one ledger: claims each key, counts on one record, prints what it won.

Run as ``python hammer.py <spec as JSON> <worker's name> <keys>``; it begins when its standard input closes.
"""

import asyncio
import importlib
import json
import sys
import time

from callmq_contracts.command import Safety
from callmq_worker.core.guard import claim, conclude
from callmq_worker.core.record import Claim, Conclusion, Intent, Record, RecordKey
from callmq_worker.ports import Ledger

COUNTER = RecordKey("default", "counter")


def count(record: Record | None, now: float) -> tuple[Record | None, int]:
    if record is None:
        raise LookupError("the counter is made before the processes start")
    return record._replace(attempt=record.attempt + 1, updated_at=now), record.attempt + 1


async def work(ledger: Ledger, name: str, number: int) -> tuple[str | None, int]:
    """Try one key, close it where it was won, and count once."""
    now = time.time()
    key = f"key-{number}"
    wish = Intent("default", key, b"f", "dial", Safety.UNSAFE, now, now + 600, name, 60, 8)
    found = await ledger.transact(RecordKey("default", key), claim(wish))
    won = None
    if isinstance(found, Claim):
        ended = Conclusion(wish, found.attempt, unknown=False, build=lambda _sequence: name.encode())
        await ledger.transact(RecordKey("default", key), conclude(ended))
        won = key
    return won, await ledger.transact(COUNTER, count)


async def main(spec: str, name: str, keys: str) -> None:
    opened = json.loads(spec)
    ledger: Ledger = getattr(importlib.import_module(opened["module"]), opened["name"])(*opened["args"])
    secret = await ledger.secret()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    done = await asyncio.gather(*(work(ledger, name, number) for number in range(int(keys))))
    await ledger.close()
    won = [key for key, _ in done if key]
    print(json.dumps({"secret": secret.hex(), "won": won, "counted": [number for _, number in done]}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
