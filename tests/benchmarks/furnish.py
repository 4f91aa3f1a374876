"""What the contenders need: their virtual environments, with the pinned requirements; what machine this is."""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks.cast import ROOT, venv_python
from benchmarks.endpoints import UnavailableError, nginx_version

PIP = ("-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check")
HASHED = ("--require-hashes", "--only-binary", ":all:")


def make_venv(name: str) -> None:
    """Make the virtual environment of requirements/<name>.txt in .cache, unless it is there. `UnavailableError`."""
    python = venv_python(name)
    wanted = ROOT / "requirements" / f"{name}.txt"
    folder = python.parents[1]
    stamp = folder / "requirements.sha256"
    print_of = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == print_of:
        return
    print(f"bench: installing {wanted.name} into {folder.relative_to(ROOT)} ...", file=sys.stderr)
    commands = (
        (sys.executable, "-m", "venv", "--clear", str(folder)),
        (str(python), *PIP, *HASHED, "-r", str(wanted)),
    )
    for command in commands:
        if subprocess.run(command, check=False).returncode:
            raise UnavailableError(f"{wanted.name} could not be installed: see above.")
    stamp.write_text(print_of)


def machine(rabbitmq: str) -> dict[str, str | float | None]:
    """Say what the figures were measured on; no name of the machine."""
    return {
        "cpus": os.cpu_count(),
        "cpu": _cpu(),
        "linux": platform.release().partition("-")[0],
        "python": platform.python_version(),
        "rabbitmq": rabbitmq,
        "nginx": nginx_version(),
        "load": load(),
    }


def load() -> float:
    """Return how many programs wanted to run in the last minute: what else the machine was busy with."""
    return round(os.getloadavg()[0], 1)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def versions() -> dict[str, str]:
    """Return the pinned version of each package of the contenders' requirements."""
    found = {}
    for name in ("bench-faststream", "bench"):
        for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
            package, pinned, rest = line.partition("==")
            if pinned:
                found[package] = rest.split()[0]
    return dict(sorted(found.items()))
