"""The operating system's own accounting of a program: CPU time and memory of all its processes (Linux)."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc/PID/stat says; ``ticks`` are its own and those of its children that have ended."""

    pid: int
    parent: int
    session: int
    ticks: int


def parse_stat(text: str) -> Stat:
    """Read one /proc/PID/stat: fields count from the last bracket, since a program's name may hold anything."""
    pid = int(text.partition(" ")[0])
    fields = text.rpartition(")")[2].split()
    return Stat(pid, parent=int(fields[1]), session=int(fields[3]), ticks=sum(int(each) for each in fields[11:15]))


def parse_peak(status: str) -> int:
    """Return VmHWM of a /proc/PID/status in KiB; 0 for a process without memory of its own (a zombie)."""
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def _stats(proc: Path) -> Iterator[Stat]:
    for entry in proc.glob("[0-9]*"):
        with suppress(OSError):
            yield parse_stat((entry / "stat").read_text())


def members(leaders: Iterable[int], proc: Path = PROC) -> list[Stat]:
    """List the leaders, all processes of the sessions that they began, and what descends from any of them."""
    wanted = set(leaders)
    stats = list(_stats(proc))
    found = {stat.pid for stat in stats if stat.session in wanted or stat.pid in wanted}
    while more := {stat.pid for stat in stats if stat.parent in found} - found:
        found |= more
    return [stat for stat in stats if stat.pid in found]


def cpu_seconds(leaders: Iterable[int], proc: Path = PROC) -> float:
    """Return the CPU time, user and system, of all that the leaders' sessions did up to now."""
    return sum(stat.ticks for stat in members(leaders, proc)) / TICKS


def peak_mib(leaders: Iterable[int], proc: Path = PROC) -> float:
    """Return the sum of the peaks of resident memory. Shared pages count in each process."""
    total = 0
    for stat in members(leaders, proc):
        with suppress(OSError):
            total += parse_peak((proc / str(stat.pid) / "status").read_text())
    return total / 1024
