"""One Redis or Valkey server: what it must promise, what its failures mean."""

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from redis import exceptions as errors
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from callmq_worker.adapters import redis_scripts as scripts
from callmq_worker.adapters.grouped import UnfitError
from callmq_worker.ports import LedgerAbsentError, LedgerAwayError, LedgerUnusableError

V = TypeVar("V")
_SECRET_BYTES: Final = 32
_READ_ONLY: Final = "can't be written: it is a replica, or has too few of them: name the primary, or look at it"
_RIGHTS: Final = "refuses this user: check its name, its password and its rights"
_UNREACHABLE: Final = "can't be reached: check that it runs, its address and the network"
# The first that fits: a class of the client, or the first word of the server's answer.
_MEANING: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...]] = (
    ((errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError), _RIGHTS),
    (errors.AuthenticationWrongNumberOfArgsError, _RIGHTS),
    (errors.BusyLoadingError, "is loading its data: wait"),
    ((errors.ReadOnlyError, errors.MasterDownError), _READ_ONLY),
    (errors.OutOfMemoryError, "has no memory left: raise maxmemory, or lower CALLMQ_RETENTION"),
    (errors.MaxConnectionsError, "has no connection to spare: raise maxclients, or run fewer workers"),
    ((errors.MovedError, errors.ClusterError), "is a cluster: name a single server"),
    (
        (errors.TimeoutError, TimeoutError),
        "did not answer in {patience:g} s: look for load, or a network that drops packets",
    ),
)
_ANSWERS: Final = {
    "The": _RIGHTS,  # user executing the script can't run this command
    "MISCONF": "can't write its file: free space on the server's disk, and look at its log",
    "NOREPLICAS": _READ_ONLY,
    "BUSY": "is busy with somebody's script: end it with SCRIPT KILL",
    "WRONGTYPE": "holds something else under our names (callmq:*): give the ledger a database of its own",
    "max": "has no connection to spare: raise maxclients, or run fewer workers",
}
_SYNCED: Final = "always"


class RedisServer:
    """Connections to one server, which is looked at before the first use and after each failure."""

    def __init__(self, url: str, patience: float, *, make: bool) -> None:
        """Name the server; nothing is connected yet. ``patience``: seconds that an answer may take."""
        self.secret = b""  # known once the server was looked at
        self.where = _place(url)
        self._patience = patience
        self._make = make
        self._sound = False
        self._looking = asyncio.Lock()
        try:
            # No second try: after a lost answer nobody knows whether the first was done.
            self._client = Redis.from_url(
                url, socket_timeout=patience, socket_connect_timeout=patience, retry=Retry(NoBackoff(), 0)
            )
        except (ValueError, TypeError):
            raise _unreadable() from None  # its text may show the password

    async def run(self, script: str, keys: Sequence[str], *words: str | bytes | int) -> Any:
        """Return a script's answer. Raises `LedgerAwayError` and `UnfitError`."""
        await self._look()
        asked = self._read if script == scripts.READ else self._evaluate
        answer = await self._told(asked(script, [scripts.META, *keys], [self.secret, *words]))
        if answer == b"":
            raise LedgerAwayError(
                f"The ledger {self.where} was emptied or replaced while in use: put it back as it was, "
                "or restart every worker to go on with what is there now."
            )
        return answer

    async def losable(self) -> Sequence[str]:
        """Return what a crash or a failover may forget, by the server's settings."""
        await self._look()
        found = []
        synced = await self._synced()
        again = "and what it stands for may be done again"
        if synced == "everysec":
            found.append(f"A crash of its host may forget the last second (appendfsync everysec), {again}.")
        elif synced is None:
            found.append(
                "This user may not see appendfsync: unless it is 'always', a crash may forget the last writes."
            )
        elif synced != _SYNCED:
            found.append(f"A crash of its host may forget half a minute (appendfsync {synced}), {again}.")
        replicas = (await self._told(self._client.info("replication"))).get("connected_slaves", 0)
        if replicas:
            found.append(
                f"{replicas} replicas follow and none is waited for: a failover may forget the last writes, {again}."
            )
        return found

    async def close(self) -> None:
        """Close the connections."""
        with suppress(errors.RedisError, OSError, TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._client.aclose()

    def damaged(self) -> LedgerAwayError:
        """Say that a record can't be read."""
        return LedgerAwayError(f"The ledger {self.where} holds a record that can't be read: restore a copy.")

    async def _read(self, script: str, keys: Sequence[str], words: Sequence[str | bytes | int]) -> Any:
        """Ask again where the connection was lost: the client does not notice that a server hung up while idle."""
        try:
            return await self._evaluate(script, keys, words)
        except errors.ConnectionError as error:
            if type(error) is not errors.ConnectionError:  # an answer, such as a wrong password
                raise
            await self._client.connection_pool.disconnect(inuse_connections=False)
            return await self._evaluate(script, keys, words)

    async def _evaluate(self, script: str, keys: Sequence[str], words: Sequence[str | bytes | int]) -> Any:
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            return await self._client.evalsha(digest, len(keys), *keys, *words)
        except errors.NoScriptError:  # it was not run: the server is new, or was told to forget
            return await self._client.eval(script, len(keys), *keys, *words)

    async def _look(self) -> None:
        if self._sound:
            return
        async with self._looking:
            if not self._sound:
                await self._told(self._check())
                self._sound = True

    async def _check(self) -> None:
        said: dict[str, Any] = {}
        for section in ("server", "persistence", "replication", "memory"):
            said |= await self._client.info(section)
        if said.get("redis_mode", said.get("server_mode")) == "cluster":
            raise LedgerUnusableError(f"The ledger {self.where} is a cluster: name a single server.")
        if said.get("role") != "master":
            raise LedgerAwayError(f"The ledger {self.where} {_READ_ONLY}.")
        if not said.get("aof_enabled"):
            raise LedgerUnusableError(
                f"The ledger {self.where} forgets at a restart what was done: set appendonly to yes."
            )
        if str(said.get("maxmemory_policy", "")).startswith("allkeys"):
            raise LedgerUnusableError(
                f"The ledger {self.where} may drop records when memory is short: set maxmemory-policy to noeviction."
            )
        secret: Any
        known, secret = await self._client.hmget(scripts.META, "version", "secret")
        version = int(known or 0)
        if version > scripts.VERSION:
            raise LedgerUnusableError(
                f"The ledger {self.where} was made by a newer callmq (schema {version}, this one knows "
                f"{scripts.VERSION}): run that version, or name another database."
            )
        if version < scripts.VERSION and not self._make:
            raise LedgerAbsentError(f"The ledger {self.where} is not there yet, or an older one: start a worker.")
        if version < scripts.VERSION and not self.secret:  # else it was there, and `run` says that it is not
            fresh = secrets.token_bytes(_SECRET_BYTES)
            secret = await self._evaluate(scripts.PREPARE, [scripts.META], [scripts.VERSION, fresh])
        self.secret = self.secret or secret

    async def _synced(self) -> str | None:
        try:
            told = await self._told(self._client.config_get("appendfsync"))
        except LedgerAwayError as error:
            if isinstance(error.__cause__, errors.ResponseError):
                return None  # a user without rights to CONFIG, or a server that hides it
            raise
        found = next(iter(told.values()), b"")
        return found.decode() if isinstance(found, bytes) else str(found)

    async def _told(self, asked: Awaitable[V]) -> V:
        """Return the answer, or raise what its failure means."""
        try:
            async with asyncio.timeout(self._patience):
                return await asked
        except (LedgerAwayError, UnfitError):
            raise
        except (errors.DataError, UnicodeError, OverflowError) as error:
            raise UnfitError from error
        except (errors.RedisError, OSError) as error:
            self._sound = False
            raise LedgerAwayError(f"The ledger {self.where} {self._meaning(error)}.") from error

    def _meaning(self, error: Exception) -> str:
        for kind, said in _MEANING:
            if isinstance(error, kind):
                return said.format(patience=self._patience)
        word = str(error).partition(" ")[0]
        if word in _ANSWERS:
            return _ANSWERS[word]
        if isinstance(error, errors.ConnectionError | OSError):
            return _UNREACHABLE
        return f"failed ({type(error).__name__}): look at the server's log"


def _place(url: str) -> str:
    """Return the place that a URL names, without user and password."""
    try:
        parts = urlsplit(url)
        port = parts.port or 6379
    except ValueError:
        raise _unreadable() from None
    return f"{parts.scheme}://{parts.hostname or 'localhost'}:{port}{parts.path}"


def _unreadable() -> LedgerUnusableError:
    return LedgerUnusableError(
        "CALLMQ_LEDGER_URL can't be read: write redis://user:password@host:6379/0 (rediss:// for TLS), with special "
        "signs in the password as %XX."
    )
