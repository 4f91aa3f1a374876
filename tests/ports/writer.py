"""A process that works with a SQLite file until it is killed, or that only holds its lock.

Run as ``python writer.py <file> write <first>``: prints the number of each record after its commit was acknowledged.
Run as ``python writer.py <file> lock``: prints ``locked`` and holds the write lock until its standard input closes.
"""

import asyncio
import sqlite3
import sys
from contextlib import closing

from callmq_worker.adapters.sqlite import SqliteLedger
from callmq_worker.core.record import Record, RecordKey, State

WRITERS = 8


async def write(path: str, first: int) -> None:
    ledger = SqliteLedger(path)

    async def keep_writing(number: int) -> None:
        while True:
            key = f"order-{number}"
            record = Record("default", key, b"f" * 32, "dial", State.CLOSED, 0.0, 0.0, reply=str(number).encode() * 50)
            await ledger.transact(RecordKey("default", key), lambda _before, _now, after=record: (after, None))
            print(number, flush=True)
            number += WRITERS

    await asyncio.gather(*(keep_writing(first + n) for n in range(WRITERS)))


def lock(path: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        print("locked", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    if sys.argv[2] == "lock":
        lock(sys.argv[1])
    else:
        asyncio.run(write(sys.argv[1], int(sys.argv[3])))
