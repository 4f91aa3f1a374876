"""What the Redis ledger does where its server, its disk or the network fail it: it says so, and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from callmq_worker.adapters import redis_scripts as scripts
from callmq_worker.adapters.redis import RedisLedger
from callmq_worker.ports import LedgerAwayError, LedgerUnusableError
from ledgers import closed
from needs import missing
from stores import PASSWORD, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stores import RedisServer


@pytest.fixture
def connect(redis_ledgers: Callable[..., RedisLedger]) -> Callable[..., RedisLedger]:
    return redis_ledgers


@pytest.fixture
async def ledger(connect: Callable[..., RedisLedger]) -> RedisLedger:
    """Lend a ledger that has one record."""
    ledger = connect()
    await ledger.transact(*closed(1))
    return ledger


# Away, slow


async def test_a_server_that_is_away(connect):
    port = free_port()
    ledger = connect(f"redis://:{PASSWORD}@127.0.0.1:{port}/0")
    for asked in (ledger.transact(*closed(1)), ledger.secret(), ledger.owed(1), ledger.purge(0, 1), ledger.losable()):
        with pytest.raises(LedgerAwayError, match=f"127.0.0.1:{port}/0 can't be reached: check") as told:
            await asked
        assert not isinstance(told.value, LedgerUnusableError)
        assert PASSWORD not in str(told.value)


async def test_a_crash_in_between_loses_nothing_that_was_acknowledged(ledger: RedisLedger, redis_server: RedisServer):
    await asyncio.gather(*(ledger.transact(*closed(n)) for n in range(2, 300)))
    redis_server.crash()
    try:
        for _ in range(2):
            with pytest.raises(LedgerAwayError, match="can't be reached"):
                await ledger.transact(*closed(300))
    finally:
        redis_server.start()
    assert await ledger.transact(*closed(300)) == 300
    found = await asyncio.gather(*(ledger.look(closed(n)[0]) for n in range(1, 301)))
    assert None not in found


async def test_a_restart_that_nobody_noticed_is_no_failure(ledger: RedisLedger, redis_server: RedisServer):
    redis_server.crash()
    redis_server.start()
    assert await ledger.transact(*closed(2)) == 2


async def test_a_server_that_does_not_answer(connect, redis_server: RedisServer):
    ledger, fresh = connect(patience=1), connect(patience=1)
    await ledger.transact(*closed(1))
    with redis_server.frozen():
        for one in (ledger, fresh):
            with pytest.raises(LedgerAwayError, match="did not answer in 1 s"):
                await one.transact(*closed(2))
    assert await ledger.transact(*closed(3)) == 3
    assert await fresh.transact(*closed(4)) == 4


async def test_somebodys_endless_script(ledger: RedisLedger, redis_server: RedisServer, told):
    told("busy-reply-threshold", "100")
    turning = asyncio.create_task(asyncio.to_thread(redis_server.ask, "EVAL", "while true do end", 0))

    async def until_it_turns() -> None:
        while True:
            await ledger.transact(*closed(2))

    with pytest.raises(LedgerAwayError, match="is busy with somebody's script: end it"):
        await until_it_turns()
    redis_server.ask("SCRIPT", "KILL")
    with pytest.raises(Exception, match="killed"):
        await turning
    assert await ledger.transact(*closed(2)) == 2


# Read-only, full, damaged, emptied


async def test_a_server_that_became_a_replica(ledger: RedisLedger, redis_server: RedisServer):
    redis_server.ask("REPLICAOF", "127.0.0.1", str(free_port()))
    try:
        for _ in range(2):
            with pytest.raises(LedgerAwayError, match="can't be written: it is a replica"):
                await ledger.transact(*closed(2))
    finally:
        redis_server.ask("REPLICAOF", "NO", "ONE")
    assert await ledger.transact(*closed(2)) == 2


async def test_no_memory_left(ledger: RedisLedger, told):
    told("maxmemory", "1")
    with pytest.raises(LedgerAwayError, match="no memory left: raise maxmemory"):
        await ledger.transact(*closed(2))
    assert (await ledger.look(closed(1)[0])).key == "order-1"
    told("maxmemory", "0")
    assert await ledger.transact(*closed(2)) == 2


@pytest.mark.parametrize(("setting", "said"), [("always", "can't be reached"), ("everysec", "can't write its file")])
async def test_a_full_disk(connect, own, tmp_path: Path, setting: str, said: str):
    if os.geteuid() != 0 or not shutil.which("mount"):
        missing("the right to mount a tmpfs")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)], check=False).returncode:
        missing("the right to mount a tmpfs")
    try:
        server = own(dir=str(tmp_path), appendfsync=setting)
        ballast = tmp_path / "ballast"
        ballast.write_bytes(bytes(2**20))
        ledger = connect(server.url())
        kept: list[int] = []

        async def fill() -> None:
            while True:
                kept.append(await ledger.transact(*closed(len(kept), 20_000)))

        with pytest.raises(LedgerAwayError, match=said):
            await fill()
        assert kept
        ballast.unlink()
        if setting == "always":  # it ends rather than acknowledge what it can't keep
            server.process.wait(30)
            server.start()
        async with asyncio.timeout(60):
            while True:
                try:
                    assert await ledger.transact(*closed(len(kept), 20_000)) == len(kept)
                    break
                except LedgerAwayError:
                    await asyncio.sleep(0.1)  # it looks at its disk once a second
        found = [await ledger.look(closed(number)[0]) for number in kept]
        assert None not in found
        server.crash()
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.parametrize("garbage", [b"", b"12345678{", b'12345678["a"]', b"12345678[1,2,3,4,5]", b"short"])
async def test_a_damaged_record(ledger: RedisLedger, redis_server: RedisServer, garbage: bytes):
    name = scripts.name(closed(1)[0])
    whole = redis_server.ask("GET", name)
    redis_server.ask("SET", name, garbage)
    with pytest.raises(LedgerAwayError, match="holds a record that can't be read: restore a copy"):
        await ledger.look(closed(1)[0])
    redis_server.ask("SET", name, whole)
    assert await ledger.transact(*closed(2)) == 2


async def test_something_else_under_our_names(ledger: RedisLedger, redis_server: RedisServer):
    redis_server.ask("DEL", scripts.name(closed(1)[0]))
    redis_server.ask("LPUSH", scripts.name(closed(1)[0]), "x")
    with pytest.raises(LedgerAwayError, match=r"holds something else under our names \(callmq:\*\)"):
        await ledger.transact(*closed(1))


async def test_a_server_that_was_emptied_is_noticed(ledger: RedisLedger, connect, redis_server: RedisServer):
    redis_server.ask("FLUSHALL")
    for _ in range(2):
        with pytest.raises(LedgerAwayError, match="emptied or replaced while in use"):
            await ledger.transact(*closed(1))
    assert redis_server.ask("DBSIZE") == 0  # an empty ledger would let every key act again
    assert await connect().transact(*closed(1)) == 1  # whoever starts anew goes on with what is there
    with pytest.raises(LedgerAwayError, match="emptied or replaced while in use"):
        await ledger.transact(*closed(1))


async def test_a_server_that_came_back_without_its_file_is_noticed(connect, own):
    server = own()
    ledger = connect(server.url())
    await ledger.transact(*closed(1))
    server.crash()
    kept = server.folder / "appendonlydir"
    kept.rename(server.folder / "aside")
    with pytest.raises(LedgerAwayError, match="can't be reached"):
        await ledger.look(closed(1)[0])
    server.start()
    for _ in range(2):
        with pytest.raises(LedgerAwayError, match="emptied or replaced while in use"):
            await ledger.transact(*closed(1))
    assert server.ask("DBSIZE") == 0  # nor is a new one made
    server.crash()
    shutil.rmtree(kept)
    (server.folder / "aside").rename(kept)
    server.start()
    assert (await ledger.look(closed(1)[0])).key == "order-1"
