"""A ledger in Redis or Valkey: many records a script, durable as far as the server is told to be."""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from callmq_worker.adapters import redis_scripts as scripts
from callmq_worker.adapters.grouped import Change, GroupedLedger, Seen, UnfitError, stores_own
from callmq_worker.adapters.redis_server import RedisServer
from callmq_worker.core.record import Record, RecordKey

_MICROSECONDS: Final = 1e6


class RedisLedger(GroupedLedger[bytes]):
    """Records under names that begin with ``callmq:``, in one database of one server."""

    def __init__(
        self,
        url: str,
        *,
        time: Callable[[float], float] = stores_own,
        patience: float = 5.0,
        make: bool = True,
    ) -> None:
        """Name the server; it is connected, looked at and, with ``make``, made a ledger at the first use.

        ``patience``: seconds that an answer may take. Raises `LedgerUnusableError` for a bad URL.
        """
        super().__init__("redis", RedisStore(RedisServer(url, patience, make=make)), time)


class RedisStore:
    """The scripts. Each is atomic, and its answer comes after the write was synced (``appendfsync always``)."""

    def __init__(self, server: RedisServer) -> None:
        """Use this server."""
        self._server = server

    async def read(self, keys: Sequence[RecordKey]) -> tuple[float, Mapping[RecordKey, Seen[bytes]]]:
        """Return the server's time, and the records that there are."""
        seconds, micros, forms = await self._server.run(scripts.READ, [scripts.name(key) for key in keys])
        found = {}
        for form in forms:
            if form is not None:
                revision, record = self._unpack(form)
                found[RecordKey(record.account, record.key)] = Seen(record, revision)
        return int(seconds) + int(micros) / _MICROSECONDS, found

    async def write(self, changes: Sequence[Change[bytes]]) -> Iterable[RecordKey]:
        """Write what is as it was seen, all in one script; return the keys of the others."""
        keys = [RecordKey(change.after.account, change.after.key) for change in changes]
        names = [*scripts.LISTS, *(scripts.name(key) for key in keys)]
        lost = await self._server.run(scripts.WRITE, names, *(word for change in changes for word in _words(change)))
        return [keys[place] for place in lost]

    async def owed(self, limit: int) -> Sequence[Record]:
        """Return records with a debt, oldest first."""
        return await self._listed(scripts.OWED, limit)

    async def unknowns(self, limit: int) -> Sequence[Record]:
        """Return records in state ``unknown``, oldest first."""
        return await self._listed(scripts.UNKNOWN, limit)

    async def purge(self, before: float, limit: int) -> int:
        """Delete a batch in one script; return how many."""
        return int(await self._server.run(scripts.PURGE, [scripts.DONE], repr(before), limit))

    async def secret(self) -> bytes:
        """Return the ledger's secret."""
        await self._server.run(scripts.READ, [])
        return self._server.secret

    async def losable(self) -> Sequence[str]:
        """Return what a crash or a failover may forget."""
        return await self._server.losable()

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()

    async def _listed(self, name: str, limit: int) -> list[Record]:
        if limit == 0:
            return []
        forms = await self._server.run(scripts.LIST, [name], limit)
        return [self._unpack(form)[1] for form in forms]

    def _unpack(self, form: bytes) -> tuple[bytes, Record]:
        try:
            return scripts.unpack(form)
        except (ValueError, TypeError, LookupError) as error:
            raise self._server.damaged() from error


def _words(change: Change[bytes]) -> tuple[bytes | str, ...]:
    after = change.after
    try:
        form = scripts.pack(after, secrets.token_bytes(scripts.REVISION_BYTES))
    except (TypeError, UnicodeError) as error:
        raise UnfitError from error
    now_in, was_in = scripts.lists(after), scripts.lists(change.seen.record)
    return (
        *(change.seen.revision or b"", form, repr(after.updated_at)),
        *(scripts.words(now_in), scripts.words(was_in - now_in)),
    )
