"""The operating system's own accounting of a program: CPU time and memory of all processes of its session (Linux)."""

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
    session: int
    ticks: int


def parse_stat(text: str) -> Stat:
    """Read one /proc/PID/stat. The program's name may hold spaces and brackets, so fields count from its last bracket."""
    pid = int(text.partition(" ")[0])
    fields = text.rpartition(")")[2].split()
    return Stat(pid, session=int(fields[3]), ticks=sum(int(each) for each in fields[11:15]))


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
    """List the processes whose session one of the leaders began, themselves among them."""
    wanted = set(leaders)
    return [stat for stat in _stats(proc) if stat.session in wanted]


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
