"""Where a SQLite ledger may lie: on a file system of this host, since its locks and shared memory end there."""

import re
from pathlib import Path
from typing import Final

from callmq_worker.ports import LedgerUnusableError

_NETWORK: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "coda", "davfs", "gfs2", "gpfs", "lustre", "ncpfs", "ocfs2"}
)
_NETWORK_PREFIXES: Final = (
    *("nfs", "smb", "cifs", "glusterfs"),
    *(f"fuse.{kind}" for kind in ("sshfs", "glusterfs", "ceph", "s3fs", "rclone", "davfs", "smb", "nfs", "gcsfuse")),
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


def read_mounts() -> str:
    """Return the mount table of this process in the form of ``/proc/mounts``, empty where there is none."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def network_type(folder: Path, mounts: str) -> str | None:
    """Return the type of the network file system that ``folder`` (resolved) lies on, ``None`` on a local one."""
    depth, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, folder, type
            continue
        mounted = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[1]))
        if len(mounted.parts) >= depth and folder.is_relative_to(mounted):  # the later mount hides the earlier
            depth, kind = len(mounted.parts), fields[2]
    return kind if kind in _NETWORK or kind.startswith(_NETWORK_PREFIXES) else None


def refuse_network(path: Path, mounts: str) -> None:
    """Raise `LedgerUnusableError` where ``path`` lies on a network file system."""
    kind = network_type(path.parent.resolve(), mounts)
    if kind is not None:
        raise LedgerUnusableError(
            f"The ledger {path} lies on a network file system ({kind}), where SQLite's locks can't be trusted: "
            "put it on a disk of this host, or use PostgreSQL for several hosts."
        )
