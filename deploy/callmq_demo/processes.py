"""Processes that are started here and ended here, and nobody else's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

_LAST_WORDS = 5.0


def launch(command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program in its own session, so that a Ctrl-C at the terminal reaches only us, and we end it."""
    # Should we be killed outright, the kernel ends it; tied to the starting thread, hence only from the main one.
    tied = shutil.which("setpriv") if threading.current_thread() is threading.main_thread() else None
    prefix = [tied, "--pdeathsig", "TERM", "--"] if tied else []
    with log.open("ab") as output:
        return subprocess.Popen(
            [*prefix, *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(child: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask it to end, wait as long as given, then kill it."""
    child.terminate()
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def end_all_at_home_in(folder: Path) -> None:
    """Kill what still runs with this folder as its HOME: ports, daemons and others that the program started itself."""
    for pid in at_home_in(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not at_home_in(folder), _LAST_WORDS)


def at_home_in(folder: Path) -> list[int]:
    """List the processes with this folder as their HOME (Linux; elsewhere none are found)."""
    wanted = f"HOME={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def is_held(pid: int) -> bool:
    """Whether every thread of a process has come to its halt after SIGSTOP (Linux; elsewhere taken for granted)."""
    tasks = list(Path(f"/proc/{pid}/task").glob("*/stat"))
    return all(task.read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


def wait_until(true: Callable[[], bool], seconds: float, *, pause: float = 0.1) -> bool:
    """Ask again and again; the answer is whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put a Ctrl-C or SIGTERM off until the end of the block, so that an impatient second one leaves nothing behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number, _ in came[:1]:
            signal.raise_signal(number)
