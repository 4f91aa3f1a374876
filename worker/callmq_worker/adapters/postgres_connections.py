"""A few connections to one PostgreSQL database: opened when needed, checked, bounded in time; failures told apart."""

import asyncio
import select
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NoReturn, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from callmq_worker.adapters.grouped import UnfitError
from callmq_worker.adapters.postgres_schema import VERSION, Connection, look, upgrade
from callmq_worker.ports import LedgerAbsentError, LedgerAwayError, LedgerUnusableError

V = TypeVar("V")
_MOST: Final = 4  # one for the groups, the others for lists, purges and a look
_LAST_WORDS: Final = 0.5
_MIGRATION: Final = 600.0
# Each statement here finds its rows by an index. Plans are kept, and one made while the table is empty would read all
# of it later on. Only a stronger promise than "on" is left as it is.
_SESSION: Final = """
    SELECT set_config('synchronous_commit', 'on', false) FROM pg_settings
     WHERE name = 'synchronous_commit' AND setting <> 'remote_apply';
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
    SET client_min_messages = error
"""
_CHECK: Final = """
    SELECT current_setting('synchronous_commit'), current_setting('fsync') = 'on', pg_is_in_recovery(),
           current_setting('transaction_read_only') = 'on'
"""
_SYNCHRONOUS: Final = frozenset({"on", "remote_apply"})
_READ_ONLY: Final = (
    "can't be written: it is a standby or read-only: name the primary, or add target_session_attrs=primary"
)
_SLOW: Final = "did not answer in {patience:g} s: look for load, a lock, or a network that drops packets"
_RIGHTS: Final = "refuses this user: check its name, its password, its rights and pg_hba.conf"
_ABSENT: Final = "does not exist: create the database, or name another"
_CROWDED: Final = "has no connection to spare: raise max_connections, or run fewer workers"
_CHANGING: Final = "is starting or stopping"
# The first that fits.
_MEANING: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...]] = (
    (errors.InvalidAuthorizationSpecification, _RIGHTS),
    (errors.InsufficientPrivilege, _RIGHTS),
    (errors.InvalidCatalogName, _ABSENT),
    (errors.ReadOnlySqlTransaction, _READ_ONLY),
    (errors.DiskFull, "has no room left: free space on the server's disk"),
    ((errors.DataCorrupted, errors.IndexCorrupted), "is damaged: stop every worker that uses it and restore a copy"),
    ((errors.UndefinedTable, errors.UndefinedColumn), "does not have the tables it should: restore a copy"),
    (errors.TooManyConnections, _CROWDED),
    ((errors.LockNotAvailable, errors.QueryCanceled, TimeoutError), _SLOW),
    ((errors.CannotConnectNow, errors.AdminShutdown, errors.CrashShutdown), _CHANGING),
)
# While connecting, the client library gives words instead of classes.
_WORDS: Final = (
    (("starting up", "shutting down", "recovery mode", "not yet accepting"), _CHANGING),
    (("too many", "connection slots"), _CROWDED),
    (("password", "authentication", "pg_hba", "role "), _RIGHTS),
    (("does not exist",), _ABSENT),
    (("timeout expired",), _SLOW),
)
_UNREACHABLE: Final = "can't be reached: check that it runs, its address and the network"
_UNFIT: Final = (
    *(psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.NotSupportedError),
    *(UnicodeError, OverflowError),
)


class Connections:
    """Lends connections that are open, durable and of the right schema; a broken one is closed, never lent again."""

    def __init__(self, url: str, patience: float, *, make: bool) -> None:
        """Name the database; nothing is opened yet. ``patience``: seconds that connecting or a statement may take."""
        self.secret = b""  # known once a connection was open
        self._patience = patience
        self._make = make
        self._url, self.where = _read(url, patience)
        self._free: list[Connection] = []
        self._closed = False
        self._room = asyncio.Semaphore(_MOST)

    async def use(self, work: Callable[[Connection], Awaitable[V]]) -> V:
        """Run ``work`` on a connection. Raises `LedgerAwayError` and `UnfitError`."""
        async with self._room:
            connection = await self._idle()
            if connection is None:
                connection = await self._told(self._open())
            try:
                found = await self._told(bounded(work(connection), self._patience))
            except BaseException:
                await _end(connection)
                raise
            if self._closed:
                await _end(connection)
            else:
                self._free.append(connection)
            return found

    async def close(self) -> None:
        """Close what is idle, and the others as they are given back."""
        self._closed = True
        while self._free:
            await _end(self._free.pop())

    async def _idle(self) -> Connection | None:
        while self._free:
            connection = self._free.pop()
            if not connection.closed and _silent(connection):
                return connection
            await _end(connection)
        return None

    async def _open(self) -> Connection:
        connection = await bounded(psycopg.AsyncConnection.connect(self._url, autocommit=True), self._patience)
        try:
            await bounded(self._check(connection), self._patience)
            await self._prepare(connection)
            limit = f"SET statement_timeout = {int(self._patience * 1000)}"
            await bounded(connection.execute(limit.encode()), self._patience)
        except BaseException:
            await _end(connection)
            raise
        return connection

    async def _prepare(self, connection: Connection) -> None:
        version, secret = await bounded(look(connection, self.where), self._patience)
        if self.secret not in (b"", secret):
            raise LedgerAwayError(
                f"The ledger {self.where} was emptied or replaced while in use: put it back as it was, "
                "or restart every worker to go on with what is there now."
            )
        if version < VERSION and not self._make:
            raise LedgerAbsentError(
                f"The ledger {self.where} has no tables yet, or older ones: start a worker, which mends that."
            )
        if version < VERSION:
            await bounded(upgrade(connection, self.where), _MIGRATION)
            _, secret = await bounded(look(connection, self.where), self._patience)
        self.secret = secret

    async def _check(self, connection: Connection) -> None:
        await connection.execute(_SESSION)
        row = await (await connection.execute(_CHECK)).fetchone()
        committing, synced, standby, read_only = row or ("", False, False, False)
        if committing not in _SYNCHRONOUS or not synced:
            raise LedgerUnusableError(
                f"The ledger {self.where} does not keep what it commits: set fsync and synchronous_commit to on."
            )
        if standby or read_only:
            raise LedgerAwayError(f"The ledger {self.where} {_READ_ONLY}.")

    async def _told(self, asked: Awaitable[V]) -> V:
        """Return the answer, or raise what its failure means."""
        try:
            return await asked
        except (LedgerAwayError, UnfitError):
            raise
        except (psycopg.Error, OSError, UnicodeError, OverflowError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        meaning = _meaning(error)
        if meaning is None and isinstance(error, _UNFIT):
            raise UnfitError from error
        if meaning is None:
            name = getattr(error, "sqlstate", None) or type(error).__name__
            meaning = f"failed ({name}): look at the server's log"
        raise LedgerAwayError(f"The ledger {self.where} {meaning.format(patience=self._patience)}.") from error


def _meaning(error: Exception) -> str | None:
    for kind, said in _MEANING:
        if isinstance(error, kind):
            return said
    if not isinstance(error, psycopg.OperationalError | OSError) or getattr(error, "sqlstate", None):
        return None
    text = str(error).lower()
    return next((said for words, said in _WORDS if any(word in text for word in words)), _UNREACHABLE)


async def bounded(asked: Awaitable[V], seconds: float) -> V:
    """Await, for so many seconds at most, whatever the server does: raises `TimeoutError`."""
    task = asyncio.ensure_future(asked)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        await _abandon(task)
        raise
    if not done:
        await _abandon(task)
        raise TimeoutError
    return task.result()


async def _abandon(task: "asyncio.Future[Any]") -> None:
    """Cancel the statement on the server, and give the connection up where the server does not take that either."""
    task.cancel()
    await asyncio.wait({task}, timeout=_LAST_WORDS)
    task.cancel()
    await asyncio.wait({task}, timeout=_LAST_WORDS)
    if task.done() and not task.cancelled():
        task.exception()  # it was seen


def _silent(connection: Connection) -> bool:
    """Whether the server has said nothing unasked: what it says then is nearly always its goodbye."""
    heard = select.poll()
    heard.register(connection.fileno(), select.POLLIN)
    return not heard.poll(0)


async def _end(connection: Connection) -> None:
    with suppress(psycopg.Error, OSError, TimeoutError):
        await bounded(connection.close(), _LAST_WORDS)


def _read(url: str, patience: float) -> tuple[str, str]:
    """Return the URL with our defaults, and the place that it names, without user and password."""
    try:
        given = conninfo_to_dict(url)
        ours: dict[str, str | int] = {
            "application_name": "callmq",
            "connect_timeout": max(int(patience), 2),
            "keepalives_idle": 15,
            "tcp_user_timeout": int(patience * 3000),
        }
        whole = make_conninfo("", **ours | given)
    except (psycopg.Error, ValueError, UnicodeError):
        # Its text would show the URL, and with it the password.
        raise LedgerUnusableError(
            "CALLMQ_LEDGER_URL can't be read: write postgresql://user:password@host:5432/database, with special signs "
            "in the password as %XX."
        ) from None
    place = f"{given.get('host') or 'localhost'}:{given.get('port') or 5432}/{given.get('dbname') or ''}"
    return whole, f"postgresql://{place}"
