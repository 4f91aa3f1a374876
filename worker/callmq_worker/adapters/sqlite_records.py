"""The records of a SQLite ledger: SQL, rows, and many steps in one transaction. Belongs to one thread."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from callmq_worker.adapters.sqlite_file import UNFIT, SqliteFile
from callmq_worker.adapters.wishes import Wish, perform, refuse, refuse_unfit
from callmq_worker.core.record import Record, RecordKey, State
from callmq_worker.ports import LedgerAwayError

_COLUMNS: Final = (
    "account, key, fingerprint, command, state, received_at, updated_at, attempt, spared, owner, lease_until, doubt,"
    " sequence, reply, due"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM records"  # noqa: S608 - all parts are constants
_ONE: Final = f"{_SELECT} WHERE account = ? AND key = ?"
_OWED: Final = f"{_SELECT} WHERE due IS NOT NULL ORDER BY updated_at LIMIT ?"
_UNKNOWNS: Final = f"{_SELECT} WHERE state = 'unknown' ORDER BY updated_at LIMIT ?"
_WRITE: Final = (
    f"INSERT INTO records ({_COLUMNS}) VALUES ({', '.join('?' * 15)})"  # noqa: S608 - as above
    " ON CONFLICT DO UPDATE SET " + ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS.split(", ")[2:])
)
_DONE: Final = (
    "SELECT account, key FROM records WHERE state = 'closed' AND due IS NULL AND updated_at <= ?"
    " ORDER BY updated_at LIMIT ?"
)
_DELETE: Final = "DELETE FROM records WHERE account = ? AND key = ?"
_STATE: Final = 4
_DOUBT: Final = 11
_STATES: Final = {state.value: state for state in State}


class SqliteRecords:
    """What can be done with the records of one file. All but `run` raise `LedgerAwayError`."""

    def __init__(self, file: SqliteFile, now: Callable[[], float]) -> None:
        """Use ``file``; ``now`` returns seconds since the epoch."""
        self._file = file
        self._now = now
        self._latest = 0.0

    def run(self, wishes: Sequence[Wish]) -> None:
        """Perform all steps in one durable transaction; what fails is in the wishes, and nothing is raised."""
        try:
            self._file.transact(lambda connection: self._steps(connection, wishes))
        except LedgerAwayError as error:
            refuse(wishes, error)
        except UNFIT as error:
            if len(wishes) > 1:  # one of them can't be stored: find out which, and spare the others
                for wish in wishes:
                    self.run([wish])
            else:
                refuse_unfit(wishes[0], error)

    def one(self, key: RecordKey) -> Record | None:
        """Return the record under ``key``."""
        found = self._select(_ONE, key.account, key.key)
        return found[0] if found else None

    def owed(self, limit: int) -> list[Record]:
        """Return up to ``limit`` records with a debt, oldest first."""
        return self._select(_OWED, max(limit, 0))

    def unknowns(self, limit: int) -> list[Record]:
        """Return up to ``limit`` records in state ``unknown``, oldest first."""
        return self._select(_UNKNOWNS, max(limit, 0))

    def purge(self, older_than: float, limit: int) -> int:
        """Delete up to ``limit`` records in one transaction; return how many. A batch without any writes nothing."""

        def work(connection: sqlite3.Connection) -> int:
            keys = connection.execute(_DONE, (self._time() - older_than, limit)).fetchall()
            connection.executemany(_DELETE, keys)
            return len(keys)

        return self._file.transact(work)

    def secret(self) -> bytes:
        """Return the file's secret."""
        return self._file.transact(lambda _connection: self._file.secret, writing=False)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _steps(self, connection: sqlite3.Connection, wishes: Sequence[Wish]) -> None:
        now = self._time()
        records: dict[tuple[str, str], Record | None] = {}
        changed: dict[tuple[str, str], Record] = {}
        for wish in wishes:
            key = (wish.key.account, wish.key.key)
            if key not in records:
                row = connection.execute(_ONE, key).fetchone()
                records[key] = None if row is None else _record(row)
            after = perform(wish, records[key], now)
            if after is not None:
                records[key] = changed[key] = after
        if changed:
            connection.executemany(_WRITE, changed.values())

    def _select(self, query: str, *values: str | int) -> list[Record]:
        rows = self._file.transact(lambda connection: connection.execute(query, values).fetchall(), writing=False)
        return [_record(row) for row in rows]

    def _time(self) -> float:
        self._latest = max(self._latest, self._now())
        return self._latest


def _record(row: Sequence[Any]) -> Record:
    state, doubt = _STATES[row[_STATE]], row[_DOUBT] != 0
    return Record._make((*row[:_STATE], state, *row[_STATE + 1 : _DOUBT], doubt, *row[_DOUBT + 1 :]))
