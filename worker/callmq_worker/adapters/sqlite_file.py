"""One SQLite file: opening and reopening it, transactions, and what its failures mean. Belongs to one thread."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from callmq_worker.adapters.sqlite_place import refuse_network
from callmq_worker.adapters.sqlite_schema import prepare
from callmq_worker.ports import LedgerAwayError, LedgerUnusableError

R = TypeVar("R")
# What SQLite says of a value that no column takes: the caller's fault, not the file's.
UNFIT: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeError,
)
_RETRY_EVERY: Final = 0.002
_PRIMARY: Final = 0xFF  # the lower byte of SQLite's extended error codes
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_ACCESS: Final = "check that its folder exists and that this user may write there"
_MEANING: Final = {
    sqlite3.SQLITE_FULL: "has no room left: free space on its disk",
    sqlite3.SQLITE_READONLY: "can't be written: check its owner, its mode and whether its disk is read-only",
    sqlite3.SQLITE_PERM: f"can't be opened: {_ACCESS}",
    sqlite3.SQLITE_AUTH: f"can't be opened: {_ACCESS}",
    sqlite3.SQLITE_CANTOPEN: f"can't be opened: {_ACCESS}",
    sqlite3.SQLITE_CORRUPT: "is damaged: stop every worker that uses it, then restore a copy or run sqlite3's .recover",
    sqlite3.SQLITE_IOERR: "could not be read or written by the operating system: check its disk",
    sqlite3.SQLITE_ERROR: "does not have the tables it should: restore a copy, or name another file",
}
# Closing any descriptor of a file drops all locks that its process holds on it, so none may be closed beside SQLite's.
_CREATING: Final = threading.Lock()


class SqliteFile:
    """The connection to one file. After a failure it is dropped, and opened again at the next use."""

    def __init__(self, path: Path, patience: float, mounts: Callable[[], str], *, make: bool = True) -> None:
        """Name the file; nothing is touched yet. ``patience``: seconds to wait for another process's lock."""
        self.path = path
        self.secret = b""  # known once the file was open
        self._patience = patience
        self._mounts = mounts
        self._make = make
        self._connection: sqlite3.Connection | None = None
        self._identity: list[tuple[int, int]] = []

    def transact(self, work: Callable[[sqlite3.Connection], R], *, writing: bool = True) -> R:
        """Run ``work`` in one transaction and return its result once that is durable.

        Raises `LedgerAwayError`, one of `UNFIT` for a value that no column takes, or what ``work`` raised. ``work``
        may run again after a lock.
        """
        patient_until = time.monotonic() + self._patience
        while True:
            kept = self._connection is not None
            try:
                return self._attempt(work, "BEGIN IMMEDIATE" if writing else "BEGIN")
            except UNFIT:
                raise
            except sqlite3.Error as error:
                if kept and _code(error) == sqlite3.SQLITE_READONLY:
                    self.drop()  # opened to be read while its disk took no writes, it never writes
                    continue
                if _code(error) not in _BUSY or time.monotonic() >= patient_until:
                    self._fail(error)
            except OSError as error:
                self.drop()
                reason = os.strerror(error.errno or 0)
                raise LedgerAwayError(f"The ledger {self.path} can't be reached ({reason}): {_ACCESS}.") from error
            # SQLite's own waiting doubles up to 100 ms a step and starves beside a process that commits all the time.
            time.sleep(_RETRY_EVERY)

    def close(self) -> None:
        """Move the write-ahead log into the file and close it. Never raises."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self.drop()

    def drop(self) -> None:
        """Close the connection as it is; the next use opens another. Never raises."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _attempt(self, work: Callable[[sqlite3.Connection], R], begin: str) -> R:
        connection = self._connection or self._open()
        connection.execute(begin)
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise
        if self._found() != self._identity:  # after the commit: what went into a removed file was not kept
            self.drop()
            self._gone()
        return result

    def _open(self) -> sqlite3.Connection:
        refuse_network(self.path, self._mounts())
        with _CREATING:
            if not self.secret and self._make:
                self._create()
            elif self.secret and not self.path.exists():
                self._gone()
            connection = sqlite3.connect(f"{self.path.as_uri()}?mode=rw", timeout=0, isolation_level=None, uri=True)
        try:
            secret = prepare(connection, self.path, make=self._make)
            if self.secret not in (b"", secret):
                self._gone()
            self._identity = self._found()
        except BaseException:
            connection.close()
            raise
        self.secret, self._connection = secret, connection
        return connection

    def _create(self) -> None:
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return
        for above in (folder, folder.parent):
            with suppress(OSError):  # a folder that can't be opened can't be synced either
                descriptor = os.open(above, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def _found(self) -> list[tuple[int, int]]:
        found = []
        for name in (self.path, f"{self.path}-wal"):
            try:
                status = os.stat(name)  # noqa: PTH116 - runs at each commit, and Path costs twice as much
            except OSError:
                found.append((0, 0))
            else:
                found.append((status.st_dev, status.st_ino))
        return found

    def _fail(self, error: sqlite3.Error) -> NoReturn:
        code = _code(error)
        self.drop()
        if code == sqlite3.SQLITE_NOTADB:
            raise LedgerUnusableError(f"The file {self.path} is not a ledger: name another file.") from error
        if code in _BUSY:
            meaning = f"stayed locked by another process for {self._patience:g} s: look for one that hangs or copies it"
        else:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            meaning = _MEANING.get(code, f"failed ({name}): check its disk and its folder")
        raise LedgerAwayError(f"The ledger {self.path} {meaning}.") from error

    def _gone(self) -> NoReturn:
        raise LedgerAwayError(
            f"The ledger {self.path} was removed or replaced while in use: put it back as it was, "
            "or restart every worker to go on with what lies there now."
        )


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & _PRIMARY
