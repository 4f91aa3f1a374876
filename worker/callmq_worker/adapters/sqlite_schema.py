"""The tables of a SQLite ledger: made once, brought up to date, refused where they are not ours."""

import itertools
import os
import secrets
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from callmq_worker.ports import LedgerAbsentError, LedgerUnusableError

APPLICATION_ID: Final = 0x63616C71  # "calq" in the file's header says whose file it is
_SECRET_BYTES: Final = 32

# Entry n brings a file from schema version n to n + 1. Records lie in the order of their arrival: WITHOUT ROWID would
# scatter them by key, and was measured to take 1.6 times the CPU time of a commit's group.
_STEPS: Final = (
    (
        "CREATE TABLE ledger (id INTEGER PRIMARY KEY CHECK (id = 1), secret BLOB NOT NULL) STRICT",
        """CREATE TABLE records (
            account TEXT NOT NULL, key TEXT NOT NULL, fingerprint BLOB NOT NULL, command TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('free', 'held', 'sending', 'closed', 'unknown')),
            received_at REAL NOT NULL, updated_at REAL NOT NULL,
            attempt INTEGER NOT NULL, spared INTEGER NOT NULL, owner TEXT, lease_until REAL NOT NULL,
            doubt INTEGER NOT NULL, sequence INTEGER NOT NULL, reply BLOB, due BLOB,
            PRIMARY KEY (account, key),
            CHECK (reply IS NOT NULL OR state NOT IN ('closed', 'unknown'))
        ) STRICT""",
        "CREATE INDEX records_owed ON records (updated_at) WHERE due IS NOT NULL",
        "CREATE INDEX records_unknown ON records (updated_at) WHERE state = 'unknown'",
        "CREATE INDEX records_done ON records (updated_at) WHERE state = 'closed' AND due IS NULL",
    ),
)
SCHEMA_VERSION: Final = len(_STEPS)


def prepare(connection: sqlite3.Connection, path: Path, *, make: bool = True) -> bytes:
    """Make the connection durable and, with ``make``, its tables current; return the ledger's secret.

    Raises `LedgerUnusableError` for another program's file or a newer schema, `LedgerAbsentError` for an older one that
    may not be brought up to date, and whatever SQLite raises.
    """
    version = _version(connection, path)
    if version < SCHEMA_VERSION and not make:
        raise LedgerAbsentError(f"The ledger {path} is empty or of an older version: start a worker, which mends that.")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise LedgerUnusableError(f"The ledger {path} can't have a write-ahead log there: put it on a local disk.")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    if version < SCHEMA_VERSION:
        if version:
            _back_up(connection, path, version)
        _upgrade(connection, path)
    secret = connection.execute("SELECT secret FROM ledger").fetchone()[0]
    return bytes(secret)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    connection.execute("BEGIN")
    try:
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.execute("ROLLBACK")
    if tables and application != APPLICATION_ID:
        raise LedgerUnusableError(f"The file {path} is another program's database: name another file as the ledger.")
    if version > SCHEMA_VERSION:
        raise LedgerUnusableError(
            f"The ledger {path} was made by a newer callmq (schema {version}, this one knows {SCHEMA_VERSION}): "
            "run that version, or name another file."
        )
    return version


def _back_up(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Keep the file as it is, before its tables change, beside it: whole, synced, and under no name that is taken."""
    unfinished = Path(f"{path}.unfinished-{secrets.token_hex(8)}")
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        connection.execute("VACUUM INTO ?", (str(unfinished),))  # which keeps the mode of an empty file
        _sync(unfinished)
        for number in itertools.count():
            with suppress(FileExistsError):
                os.link(unfinished, f"{path}.v{version}" + (f".{number}" if number else ""))
                break
    finally:
        unfinished.unlink()
    _sync(path.parent)


def _sync(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _upgrade(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])  # another process may have been first
        for statements in _STEPS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute("INSERT OR IGNORE INTO ledger VALUES (1, ?)", (secrets.token_bytes(_SECRET_BYTES),))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {max(version, SCHEMA_VERSION)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    _version(connection, path)
