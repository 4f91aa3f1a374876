"""What the SQLite ledger does where its file, its disk or its neighbours fail it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callmq_worker.adapters.sqlite import SqliteLedger
from callmq_worker.core import guard
from callmq_worker.core.record import Claim, RecordKey
from callmq_worker.ports import LedgerAwayError
from intents import intent
from ledgers import closed, run_sql
from needs import missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


WRITER = str(Path(__file__).with_name("writer.py"))
HAMMER = str(Path(__file__).with_name("hammer.py"))


def held_lock(path: Path) -> subprocess.Popen[bytes]:
    holder = subprocess.Popen(
        [sys.executable, WRITER, str(path), "lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"locked\n"
    return holder


def let_go(holder: subprocess.Popen[bytes]) -> None:
    holder.communicate()
    assert holder.returncode == 0


@pytest.fixture
def ledger(connect: Callable[..., SqliteLedger]) -> SqliteLedger:
    return connect()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Lend a disk of 2 MiB that can be filled and made read-only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        missing("the right to mount a tmpfs")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        missing("the right to mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def immutable(*files: Path) -> Iterator[None]:
    """Let nobody write the files, not even who has them open: so it is when the kernel turns a disk read-only."""
    if not shutil.which("chattr") or subprocess.run(["chattr", "+i", *files], check=False).returncode:
        missing("the right to make a file immutable")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *files], check=True)


# Failures while in use, and the way back


async def test_a_lock_held_too_long(connect: Callable[..., SqliteLedger], path: Path):
    ledger = connect(patience=0.2)
    await ledger.transact(*closed(1))
    holder = held_lock(path)
    try:
        for asked in (ledger.transact(*closed(2)), ledger.purge(0, 10)):
            with pytest.raises(LedgerAwayError, match=r"stayed locked by another process for 0.2 s"):
                await asked
        assert (await ledger.look(closed(1)[0])).key == "order-1"  # reading needs no lock
    finally:
        let_go(holder)
    assert await ledger.transact(*closed(2)) == 2


async def test_a_lock_that_ends_in_time_is_waited_for(connect: Callable[..., SqliteLedger], path: Path):
    ledger = connect(patience=60)
    await ledger.transact(*closed(1))
    holder = held_lock(path)
    task = asyncio.create_task(ledger.transact(*closed(2)))
    for _ in range(100):  # the loop turns meanwhile
        await asyncio.sleep(0)
    assert not task.done()
    let_go(holder)
    assert await task == 2


async def test_each_caller_gets_an_error_of_its_own(connect: Callable[..., SqliteLedger], tmp_path: Path):
    ledger = connect(tmp_path)
    found = await asyncio.gather(*(ledger.transact(*closed(n)) for n in range(5)), return_exceptions=True)
    assert {type(f) for f in found} == {LedgerAwayError}
    assert len({id(f) for f in found}) == 5
    assert all(isinstance(f.__cause__, sqlite3.OperationalError) for f in found)


async def test_a_removed_file_is_noticed_and_taken_back(ledger: SqliteLedger, path: Path):
    await ledger.transact(*closed(1))
    aside = path.with_name("aside")
    path.rename(aside)
    for _ in range(2):
        with pytest.raises(LedgerAwayError, match="removed or replaced while in use"):
            await ledger.transact(*closed(2))
    assert not path.exists()  # an empty ledger would let every key act again
    aside.rename(path)
    assert await ledger.transact(*closed(2)) == 2
    assert (await ledger.look(closed(1)[0])).key == "order-1"


async def test_a_removed_folder_is_noticed(ledger: SqliteLedger, path: Path):
    await ledger.transact(*closed(1))
    aside = path.parent.with_name("aside")
    path.parent.rename(aside)
    for _ in range(2):
        with pytest.raises(LedgerAwayError, match="removed or replaced while in use"):
            await ledger.transact(*closed(2))
    aside.rename(path.parent)
    assert await ledger.transact(*closed(2)) == 2


async def test_a_removed_write_ahead_log_is_noticed(ledger: SqliteLedger, path: Path):
    await ledger.transact(*closed(1))
    path.with_name("ledger.db-wal").unlink()
    with pytest.raises(LedgerAwayError, match="removed or replaced while in use"):
        await ledger.transact(*closed(2))
    assert await ledger.transact(*closed(3)) == 3
    assert (await ledger.look(closed(3)[0])).key == "order-3"


async def test_another_ledger_in_its_place_is_not_taken_for_it(connect: Callable[..., SqliteLedger], path: Path):
    ledger, other = connect(), connect(path.with_name("other.db"))
    await ledger.transact(*closed(1))
    await other.transact(*closed(9))
    await other.close()
    for name in ("ledger.db-wal", "ledger.db-shm"):
        path.with_name(name).unlink()
    path.with_name("other.db").rename(path)
    for _ in range(2):
        with pytest.raises(LedgerAwayError, match="removed or replaced while in use"):
            await ledger.transact(*closed(2))
    assert await connect().look(closed(2)[0]) is None  # whoever starts anew goes on with what is there
    assert (await connect().look(closed(9)[0])).key == "order-9"


async def test_a_full_disk(connect: Callable[..., SqliteLedger], disk: Path):
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(2**20))
    ledger = connect(disk / "ledger.db")
    kept: list[int] = []

    async def fill() -> None:
        while True:
            kept.append(await ledger.transact(*closed(len(kept), 20_000)))

    with pytest.raises(LedgerAwayError, match="no room left: free space on its disk"):
        await fill()
    assert kept
    ballast.unlink()
    assert await ledger.transact(*closed(len(kept), 20_000)) == len(kept)
    for number in kept:
        assert (await ledger.look(closed(number)[0])).reply == b"r" * 20_000


async def test_a_disk_without_room_from_the_start(connect: Callable[..., SqliteLedger], disk: Path):
    ballast = disk / "ballast"
    with pytest.raises(OSError, match="space"):
        ballast.write_bytes(bytes(2**22))
    ledger = connect(disk / "ledger.db")
    with pytest.raises(LedgerAwayError):
        await ledger.secret()
    ballast.unlink()
    assert await ledger.transact(*closed(1)) == 1


async def test_a_read_only_disk(connect: Callable[..., SqliteLedger], disk: Path):
    first = connect(disk / "ledger.db")
    await first.transact(*closed(1))
    await first.close()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    ledger, fresh = connect(disk / "ledger.db"), connect(disk / "new.db")
    for one in (ledger, fresh):
        with pytest.raises(LedgerAwayError, match=r"ledger .* can't be (written|opened|reached).*: check"):
            await one.transact(*closed(2))
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert await ledger.transact(*closed(2)) == 2
    assert await fresh.transact(*closed(2)) == 2


async def test_a_disk_that_turns_read_only_in_use_is_read_meanwhile_and_written_as_soon_as_it_can_be(
    connect: Callable[..., SqliteLedger], path: Path
):
    ledger, neighbour = connect(), connect()
    await ledger.transact(*closed(1))
    await neighbour.transact(*closed(2))
    with immutable(path, path.with_name("ledger.db-wal")):
        with pytest.raises(LedgerAwayError, match=r"can't be written|could not be read or written"):
            await ledger.transact(*closed(3))
        assert (await ledger.look(closed(1)[0])).key == "order-1"  # by a connection that can never write
    assert await ledger.transact(*closed(3)) == 3


# Several processes


async def test_processes_that_start_together_make_one_ledger(path: Path):
    spec = json.dumps({"module": "callmq_worker.adapters.sqlite", "name": "SqliteLedger", "args": [str(path)]})
    pipe = asyncio.subprocess.PIPE
    made = [
        await asyncio.create_subprocess_exec(sys.executable, HAMMER, spec, f"h{n}", "0", stdin=pipe, stdout=pipe)
        for n in range(4)
    ]
    said = await asyncio.gather(*(one.communicate(b"") for one in made))
    assert len({json.loads(out.splitlines()[-1])["secret"] for out, _ in said}) == 1


def test_no_acknowledged_commit_is_lost_to_kill_9(path: Path):
    chance = random.Random(9)
    acknowledged: set[int] = set()
    for life in range(6):
        with subprocess.Popen(
            [sys.executable, WRITER, str(path), "write", str(life * 1_000_000)], stdout=subprocess.PIPE
        ) as writer:
            for _ in range(chance.randrange(20, 400)):
                acknowledged.add(int(writer.stdout.readline()))
            writer.kill()
            acknowledged.update(int(line) for line in writer.stdout if line.endswith(b"\n"))
        assert run_sql(path, "PRAGMA integrity_check") == "ok"
    with closing(sqlite3.connect(path)) as connection:
        kept = {int(key.removeprefix("order-")) for (key,) in connection.execute("SELECT key FROM records")}
    assert len(acknowledged) > 100
    assert acknowledged <= kept


async def test_a_killed_writer_locks_nobody_out(ledger: SqliteLedger, path: Path):
    await ledger.transact(*closed(1))
    holder = held_lock(path)
    holder.kill()
    holder.communicate()
    wish = intent("after")
    assert isinstance(await ledger.transact(RecordKey("default", "after"), guard.claim(wish)), Claim)
