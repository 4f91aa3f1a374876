"""The tables of a PostgreSQL ledger: made once, brought up to date, refused where they are newer."""

import secrets
from typing import Any, Final, TypeAlias

import psycopg

from callmq_worker.ports import LedgerUnusableError

Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

_SECRET_BYTES: Final = 32
_LOCK: Final = 0x63616C6C6D71  # "callmq": one process at a time makes tables
# Entry n brings the tables from schema version n to n + 1. Keys sort by bytes, so that no change of a locale breaks
# their index. ``revision`` is another after each write: what a compare-and-set compares.
_STEPS: Final = (
    (
        """CREATE TABLE callmq_ledger (
            id integer PRIMARY KEY CHECK (id = 1), version integer NOT NULL, secret bytea NOT NULL
        )""",
        """CREATE TABLE callmq_records (
            account text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL,
            fingerprint bytea NOT NULL, command text NOT NULL,
            state text NOT NULL CHECK (state IN ('free', 'held', 'sending', 'closed', 'unknown')),
            received_at float8 NOT NULL, updated_at float8 NOT NULL,
            attempt bigint NOT NULL, spared bigint NOT NULL, owner text, lease_until float8 NOT NULL,
            doubt boolean NOT NULL, sequence bigint NOT NULL, reply bytea, due bytea, revision bigint NOT NULL,
            PRIMARY KEY (account, key),
            CHECK (reply IS NOT NULL OR state NOT IN ('closed', 'unknown'))
        )""",
        "CREATE INDEX callmq_records_owed ON callmq_records (updated_at) WHERE due IS NOT NULL",
        "CREATE INDEX callmq_records_unknown ON callmq_records (updated_at) WHERE state = 'unknown'",
        "CREATE INDEX callmq_records_done ON callmq_records (updated_at) WHERE state = 'closed' AND due IS NULL",
    ),
)
VERSION: Final = len(_STEPS)
_THERE: Final = "SELECT to_regclass('callmq_ledger') IS NOT NULL"
_ROW: Final = "SELECT version, secret FROM callmq_ledger"


async def look(connection: Connection, where: str) -> tuple[int, bytes]:
    """Return the tables' version and the ledger's secret; version 0 where there are none. Changes nothing.

    Raises `LedgerUnusableError` for a newer schema.
    """
    there = await (await connection.execute(_THERE)).fetchone()
    row = await (await connection.execute(_ROW)).fetchone() if there and there[0] else None
    version, secret = row or (0, b"")
    if version > VERSION:
        raise LedgerUnusableError(
            f"The ledger {where} was made by a newer callmq (schema {version}, this one knows {VERSION}): "
            "run that version, or name another database."
        )
    return version, bytes(secret)


async def upgrade(connection: Connection, where: str) -> None:
    """Bring the tables up to date, all or nothing. The connection may be used no more where this fails."""
    # A lock of the session: a transaction that began before another's end would not see the tables that it made.
    await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    version, _ = await look(connection, where)  # another process may have been first
    async with connection.transaction():
        for statements in _STEPS[version:]:
            for statement in statements:
                await connection.execute(statement.encode())
        await connection.execute(
            "INSERT INTO callmq_ledger VALUES (1, %s, %s) ON CONFLICT (id) DO UPDATE SET version = excluded.version",
            (VERSION, secrets.token_bytes(_SECRET_BYTES)),
        )
    await connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
