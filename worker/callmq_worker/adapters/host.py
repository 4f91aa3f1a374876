"""What this host gives a worker: room and rights for the ledger's file, file descriptors."""

import os
import resource
import shutil
import stat
from pathlib import Path
from typing import Final

from callmq_worker.core.diagnosis import LedgerPlace

_WAL_MARK: Final = b"\x02\x02"  # read and write version in the header of a SQLite file with a write-ahead log
_WAL_AT: Final = slice(18, 20)
_HEADER: Final = 100


def place_of(path: Path) -> LedgerPlace:
    """Look at a ledger's file and folder, changing nothing. Raises `OSError` where even that is refused.

    Call it before the ledger is opened in this process: closing a descriptor of the file drops SQLite's locks.
    """
    folder = path.parent
    near = next(each for each in (folder, *folder.parents) if each.exists())
    exists = path.exists()
    header = b""
    if exists:
        with path.open("rb") as file:
            header = file.read(_HEADER)
    return LedgerPlace(
        path=path,
        exists=exists,
        writable=os.access(near, os.W_OK | os.X_OK) and (not exists or os.access(path, os.W_OK)),
        exposed=exists and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)),
        wal=header[_WAL_AT] == _WAL_MARK if header else None,
        free=shutil.disk_usage(near).free,
    )


def descriptor_limit() -> int:
    """Return how many files and sockets a process like this one may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
