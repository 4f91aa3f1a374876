"""Where a SQLite ledger may not lie, and which files are none."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callmq_worker.adapters import sqlite_schema
from callmq_worker.adapters.sqlite import SqliteLedger
from callmq_worker.adapters.sqlite_place import network_type, read_mounts
from callmq_worker.adapters.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION
from callmq_worker.ports import LedgerAwayError, LedgerUnusableError
from ledgers import closed, run_sql

if TYPE_CHECKING:
    from collections.abc import Callable


# Files that are no ledger


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 100, b"short"])
async def test_a_file_that_is_no_database_is_refused(
    connect: Callable[..., SqliteLedger], tmp_path: Path, content: bytes
):
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(LedgerUnusableError, match="not a ledger: name another file"):
        await connect(file).secret()
    assert file.read_bytes() == content


async def test_another_programs_database_is_refused_and_left_alone(
    connect: Callable[..., SqliteLedger], tmp_path: Path
):
    file = tmp_path / "theirs.db"
    run_sql(file, "CREATE TABLE theirs (x)")
    before = file.read_bytes()
    with pytest.raises(LedgerUnusableError, match="another program's"):
        await connect(file).secret()
    assert file.read_bytes() == before


async def test_a_newer_schema_is_refused(connect: Callable[..., SqliteLedger], path: Path):
    await connect().close()
    first = connect()
    await first.secret()
    await first.close()
    run_sql(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(LedgerUnusableError, match="newer callmq"):
        await connect().secret()
    run_sql(path, f"PRAGMA user_version = {SCHEMA_VERSION}")
    await connect().secret()


def test_whoever_comes_second_takes_the_ledger_as_it_is(tmp_path: Path):
    file = tmp_path / "ledger.db"
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as first,
        closing(sqlite3.connect(file, isolation_level=None)) as second,
    ):
        assert sqlite_schema._version(second, file) == 0  # it will make the tables, and the first is quicker
        secret = sqlite_schema.prepare(first, file)
        sqlite_schema._upgrade(second, file)
        assert sqlite_schema.prepare(second, file) == secret


async def test_an_empty_file_becomes_a_ledger(connect: Callable[..., SqliteLedger], tmp_path: Path):
    file = tmp_path / "ledger.db"
    file.touch()
    await connect(file).secret()
    assert run_sql(file, "PRAGMA user_version") == SCHEMA_VERSION
    assert run_sql(file, "PRAGMA application_id") == APPLICATION_ID


async def test_a_damaged_file_says_so_and_is_used_again_when_mended(connect: Callable[..., SqliteLedger], path: Path):
    first = connect()
    await asyncio.gather(*(first.transact(*closed(n)) for n in range(200)))
    await first.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))
    ledger = connect()
    with pytest.raises(LedgerAwayError, match=r"is damaged: stop every worker .* restore a copy"):
        await ledger.transact(*closed(77))
    path.write_bytes(whole)
    assert await ledger.transact(*closed(77)) == 77


async def test_missing_tables_say_so(connect: Callable[..., SqliteLedger], path: Path):
    first = connect()
    await first.secret()
    await first.close()
    run_sql(path, "DROP TABLE records")
    with pytest.raises(LedgerAwayError, match="does not have the tables"):
        await connect().transact(*closed(1))


# The place


@pytest.mark.parametrize(
    ("mounts", "folder", "kind"),
    [
        ("/dev/vda / ext4 rw 0 0\nserver:/x /state nfs4 rw 0 0", "/state/deep", "nfs4"),
        ("/dev/vda / ext4 rw 0 0\nserver:/x /state nfs4 rw 0 0", "/statement", None),
        ("server:/x / nfs rw 0 0\n/dev/vdb /state xfs rw 0 0", "/state", None),
        ("/dev/vda / ext4 rw 0 0\n//s/x /my\\040state cifs rw 0 0", "/my state", "cifs"),
        ("/dev/vda /state ext4 rw 0 0\nme@s: /state fuse.sshfs rw 0 0", "/state", "fuse.sshfs"),
        ("x / smb3 rw 0 0", "/", "smb3"),
        ("x / 9p rw 0 0", "/", "9p"),
        ("x / ceph rw 0 0", "/", "ceph"),
        ("overlay / overlay rw 0 0", "/", None),
        ("x /stäte nfs rw 0 0", "/stäte", "nfs"),
        ("garbage\n\n", "/", None),
        ("", "/", None),
    ],
)
def test_network_file_systems_are_recognised(mounts: str, folder: str, kind: str | None):
    assert network_type(Path(folder), mounts) == kind


async def test_a_network_file_system_is_refused_before_anything_is_made(
    connect: Callable[..., SqliteLedger], path: Path
):
    ledger = connect(mounts=lambda: "/dev/vda / ext4 rw 0 0\nserver:/x / nfs4 rw 0 0")
    with pytest.raises(LedgerUnusableError, match=r"network file system \(nfs4\).* PostgreSQL"):
        await ledger.secret()
    assert not path.parent.exists()


async def test_a_link_is_followed_to_its_file_system(connect: Callable[..., SqliteLedger], tmp_path: Path):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to(tmp_path / "far")
    mounts = f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path / 'far'} nfs rw 0 0"
    with pytest.raises(LedgerUnusableError):
        await connect(tmp_path / "near" / "ledger.db", mounts=lambda: mounts).secret()


def test_this_host_has_a_mount_table():
    assert network_type(Path("/proc"), read_mounts()) is None
    assert "/proc" in read_mounts()


async def test_a_folder_that_can_not_be_made(connect: Callable[..., SqliteLedger], tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerAwayError, match="check that its folder exists"):
        await connect(tmp_path / "file" / "ledger.db").secret()


async def test_a_folder_in_the_files_place(connect: Callable[..., SqliteLedger], tmp_path: Path):
    with pytest.raises(LedgerAwayError, match="can't be opened: check that its folder exists"):
        await connect(tmp_path).secret()


async def test_a_name_with_signs_of_a_url(connect: Callable[..., SqliteLedger], tmp_path: Path):
    file = tmp_path / "led%41ger?mode=memory#1 ä.db"
    await connect(file).transact(*closed(1))
    assert file.exists()
