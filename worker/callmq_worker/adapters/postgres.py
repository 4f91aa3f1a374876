"""The ledger for workers of several hosts: PostgreSQL, many records a statement and a commit."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from callmq_worker.adapters.grouped import Change, GroupedLedger, Seen, stores_own
from callmq_worker.adapters.postgres_connections import Connections
from callmq_worker.adapters.postgres_schema import Connection
from callmq_worker.core.record import Record, RecordKey, State

_TYPES: Final = {
    "account": "text",
    "key": "text",
    "fingerprint": "bytea",
    "command": "text",
    "state": "text",
    "received_at": "float8",
    "updated_at": "float8",
    "attempt": "int8",
    "spared": "int8",
    "owner": "text",
    "lease_until": "float8",
    "doubt": "bool",
    "sequence": "int8",
    "reply": "bytea",
    "due": "bytea",
}
_COLUMNS: Final = ", ".join(_TYPES)
_KEPT: Final = ", ".join(f"r.{column}" for column in _TYPES)
_ALL: Final = ", ".join(f"%b::{kind}[]" for kind in _TYPES.values())
_NOW: Final = "extract(epoch FROM clock_timestamp())::float8"
_TIME: Final = f"SELECT {_NOW}"
_READ: Final = (
    f"SELECT {_NOW}, r.revision, {_KEPT} FROM unnest(%b::text[], %b::text[]) AS g(account, key)"  # noqa: S608 - constants
    " LEFT JOIN callmq_records r ON r.account = g.account AND r.key = g.key"
)
_INSERT: Final = (
    f"INSERT INTO callmq_records ({_COLUMNS}, revision) SELECT * FROM unnest({_ALL}, %b::int8[])"  # noqa: S608 - as above
    " ON CONFLICT DO NOTHING RETURNING account, key"
)
_UPDATE: Final = (
    "UPDATE callmq_records r SET revision = g.revision, "  # noqa: S608 - as above
    + ", ".join(f"{column} = g.{column}" for column in list(_TYPES)[2:])
    + f" FROM unnest({_ALL}, %b::int8[], %b::int8[]) AS g({_COLUMNS}, revision, seen)"
    " WHERE r.account = g.account AND r.key = g.key AND r.revision = g.seen RETURNING r.account, r.key"
)
_OWED: Final = f"SELECT {_KEPT} FROM callmq_records r WHERE due IS NOT NULL ORDER BY updated_at LIMIT %b"  # noqa: S608
_UNKNOWNS: Final = f"SELECT {_KEPT} FROM callmq_records r WHERE state = 'unknown' ORDER BY updated_at LIMIT %b"  # noqa: S608
_PURGE: Final = """
    WITH gone AS (
        SELECT account, key FROM callmq_records
         WHERE state = 'closed' AND due IS NULL AND updated_at <= %b ORDER BY updated_at LIMIT %b
           FOR UPDATE SKIP LOCKED)
    DELETE FROM callmq_records r USING gone WHERE r.account = gone.account AND r.key = gone.key
"""
_STANDBYS: Final = "SELECT count(*) FROM pg_stat_replication WHERE current_setting('synchronous_standby_names') = ''"
_STATE: Final = 4
_STATES: Final = {state.value: state for state in State}
_REVISION_BITS: Final = 62


class PostgresLedger(GroupedLedger[int]):
    """Records in two tables, ``callmq_ledger`` and ``callmq_records``, in the first schema of the search path."""

    def __init__(
        self,
        url: str,
        *,
        time: Callable[[float], float] = stores_own,
        patience: float = 5.0,
        make: bool = True,
    ) -> None:
        """Name the database; it is connected and, with ``make``, its tables made or brought up to date at first use.

        ``patience``: seconds that a connection or a statement may take. Raises `LedgerUnusableError` for a bad URL.
        """
        super().__init__("postgresql", PostgresStore(Connections(url, patience, make=make)), time)


class PostgresStore:
    """The statements. Each is a transaction of its own, so a worker that is stopped in between holds no lock."""

    def __init__(self, connections: Connections) -> None:
        """Use these connections."""
        self._connections = connections

    async def read(self, keys: Sequence[RecordKey]) -> tuple[float, Mapping[RecordKey, Seen[int]]]:
        """Return the server's time, and the records that there are."""
        if not keys:
            return (await self._rows(_TIME))[0][0], {}
        rows = await self._rows(_READ, [key.account for key in keys], [key.key for key in keys])
        found = [Seen(_record(row[2:]), row[1]) for row in rows if row[1] is not None]
        return rows[0][0], {RecordKey(s.record.account, s.record.key): s for s in found if s.record is not None}

    async def write(self, changes: Sequence[Change[int]]) -> Iterable[RecordKey]:
        """Insert what was not there, update what is as it was seen; return the keys of the others."""
        # In one order for all workers, so that no two wait for each other.
        ordered = sorted(changes, key=lambda c: (c.after.account, c.after.key))
        fresh = [c for c in ordered if c.seen.revision is None]
        known = [c for c in ordered if c.seen.revision is not None]
        written: list[tuple[Any, ...]] = []
        if fresh:
            written += await self._rows(_INSERT, *_arrays(fresh))
        if known:
            written += await self._rows(_UPDATE, *_arrays(known), [c.seen.revision for c in known])
        return {RecordKey(c.after.account, c.after.key) for c in changes}.difference(RecordKey(*row) for row in written)

    async def owed(self, limit: int) -> Sequence[Record]:
        """Return records with a debt, oldest first."""
        return [_record(row) for row in await self._rows(_OWED, limit)]

    async def unknowns(self, limit: int) -> Sequence[Record]:
        """Return records in state ``unknown``, oldest first."""
        return [_record(row) for row in await self._rows(_UNKNOWNS, limit)]

    async def purge(self, before: float, limit: int) -> int:
        """Delete a batch in one transaction; return how many."""

        async def work(connection: Connection) -> int:
            return (await connection.execute(_PURGE.encode(), (before, limit))).rowcount

        return await self._connections.use(work)

    async def secret(self) -> bytes:
        """Return the ledger's secret."""
        await self._rows(_TIME)
        return self._connections.secret

    async def losable(self) -> Sequence[str]:
        """Return what a failover may forget."""
        standbys = (await self._rows(_STANDBYS))[0][0]
        if not standbys:
            return ()
        return (
            f"{standbys} standby servers follow and none is waited for (synchronous_standby_names): "  # noqa: ISC004
            "a failover may forget the last commits, and what they stand for may be done again.",
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()

    async def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        async def work(connection: Connection) -> list[tuple[Any, ...]]:
            return await (await connection.execute(statement.encode(), values or None, binary=True)).fetchall()

        return await self._connections.use(work)


def _arrays(changes: Sequence[Change[int]]) -> list[list[Any]]:
    rows = [
        (*r[:_STATE], r.state.value, *r[_STATE + 1 :], secrets.randbits(_REVISION_BITS))
        for r in (change.after for change in changes)
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _record(row: Sequence[Any]) -> Record:
    return Record._make((*row[:_STATE], _STATES[row[_STATE]], *row[_STATE + 1 :]))
