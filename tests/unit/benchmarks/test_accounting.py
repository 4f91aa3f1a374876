"""What is read of /proc: by hand, and of a real program with children of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.accounting import TICKS, Stat, cpu_seconds, members, parse_peak, parse_stat, peak_mib

STAT = "4711 (a (bad) name) S 1 4700 4699 0 -1 4194560 9 8 7 6 150 50 30 20 20 0 4 0 123 456 789 18446744073709551615"
PARENT = """
import subprocess, sys, time
child = "import sys; sum(range(3_000_000)); print('done', flush=True); sys.stdin.read()"
ended = subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"])
running = subprocess.Popen([sys.executable, "-c", child])
running.wait()
"""
linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="/proc is Linux's")


def test_fields_count_from_the_last_bracket() -> None:
    assert parse_stat(STAT) == Stat(pid=4711, parent=1, session=4699, ticks=150 + 50 + 30 + 20)


def test_the_peak_is_in_kib() -> None:
    assert parse_peak("Name:\tpython\nVmPeak:\t  99999 kB\nVmHWM:\t   51234 kB\nVmRSS:\t   400 kB\n") == 51234
    assert parse_peak("Name:\tzombie\nState:\tZ (zombie)\n") == 0


def test_a_program_is_its_session_and_its_descendants(tmp_path: Path) -> None:
    leader, orphan, child, grandchild, stranger = (10, 1, 10), (11, 1, 10), (12, 10, 12), (13, 12, 13), (14, 1, 14)
    for (pid, parent, session), ticks in zip(
        (grandchild, child, leader, orphan, stranger), (25, 50, 100, 1, 7000), strict=True
    ):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (python) S {parent} {session} {session} 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0")
        (folder / "status").write_text(f"VmHWM:\t{ticks * 1024} kB\n")
    (tmp_path / "15").mkdir()  # ended while one looked
    assert {stat.pid for stat in members([10], tmp_path)} == {10, 11, 12, 13}
    assert cpu_seconds([10], tmp_path) == 176 / TICKS
    assert peak_mib([10], tmp_path) == 176
    assert cpu_seconds([10, 14], tmp_path) == 7176 / TICKS


@linux
def test_children_count_while_they_run_and_after() -> None:
    command = [sys.executable, "-c", PARENT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as program:
        assert program.stdout is not None
        program.stdout.readline()
        found = members([program.pid])
        assert program.pid in {stat.pid for stat in found}
        assert len(found) == 2
        assert all(stat.ticks > 0 for stat in found)  # the parent's holds the ended child's
        assert peak_mib([program.pid]) > 5
        program.communicate(b"")
    assert members([program.pid]) == []


@linux
def test_ours_is_what_the_interpreter_says() -> None:
    own = parse_stat(Path("/proc/self/stat").read_text())
    assert (own.pid, own.session) == (os.getpid(), os.getsid(0))
