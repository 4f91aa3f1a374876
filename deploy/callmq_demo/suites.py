"""RabbitMQ of another Debian suite, beside the installed one: unpacked into a folder, run in a mount namespace.

``python -m callmq_demo.suites forky`` prints the path of a ``rabbitmq-server`` for CALLMQ_RABBITMQ_SERVER. The system's
own packages, their state and its apt are left as they are; the suite comes from the mirror that apt is configured for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from callmq_demo.faults import BrokerError

NEWEST = "forky"
CACHE = Path(__file__).parents[2] / ".cache" / "brokers"
# The second and what its scripts take for granted. Nothing is configured: the files alone are enough.
_PACKAGES = ("rabbitmq-server", "dash", "coreutils", "sed", "grep", "debianutils")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TOOLS = ("apt-get", "dpkg-deb", "unshare", "mount", "chroot")
_SECONDS = 600
_RUN = """#!/bin/sh
# Run the program of this name from the unpacked suite beside it, with its own C library, on the node's own folder.
set -eu
here=$(dirname "$(readlink -f "$0")")
if [ "$(id -u)" = 0 ]; then user=; else user='--map-root-user setpriv --pdeathsig TERM'; fi
exec unshare --mount $user sh -euc '
    root=$1/root usr=$1/files/usr program=$2; shift 2
    mount -t tmpfs callmq "$root"
    cd "$root"
    mkdir -p -m 1777 tmp
    mkdir -p usr etc "./$HOME"
    ln -s usr/bin usr/sbin usr/lib usr/lib64 .
    for each in /proc /sys /dev "$HOME"; do
        mkdir -p ".$each"
        mount --rbind "$each" ".$each"
    done
    mount --bind "$usr" usr
    exec chroot . "/usr/lib/rabbitmq/bin/$program" "$@"
' sh "$here" "$(basename "$0")" "$@"
"""


def other_suite(suite: str, cache: Path = CACHE) -> Path:
    """Give the start script of this suite's RabbitMQ, unpacking it the first time; BrokerError where it can't be had.

    ``rabbitmqctl`` lies beside the script. Delete the folder to have a newer one.
    """
    folder = cache / suite
    server = folder / "rabbitmq-server"
    _check_rights()
    if not server.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f"{suite}-", ignore_cleanup_errors=True) as name:
            made = Path(name) / "made"
            print(f"Unpacking RabbitMQ of Debian's {suite} (about half a minute) ...", file=sys.stderr)
            _unpack(suite, Path(name), made)
            try:
                made.rename(folder)
            except OSError:
                if not server.exists():  # else somebody else was quicker
                    raise
    return server


def _check_rights() -> None:
    lacking = [tool for tool in _TOOLS if shutil.which(tool, path=_path()) is None]
    if lacking or not _KEYRING.exists():
        raise BrokerError(f"Another suite's RabbitMQ takes Debian with {', '.join(lacking or [str(_KEYRING)])}.")
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = _run("unshare", "--mount", *user, "mount", "-t", "tmpfs", "callmq", "/mnt")
    if done.returncode:
        raise BrokerError(f"Another suite's RabbitMQ takes a mount namespace, as root or not: {_end(done)}")


def _unpack(suite: str, work: Path, made: Path) -> None:
    for each in ("state/lists/partial", "cache/archives/partial", "made/root", "made/files"):
        (work / each).mkdir(parents=True)
    _fetch(suite, work)
    for package in sorted((work / "cache" / "archives").glob("*.deb")):
        done = _run("dpkg-deb", "--extract", str(package), str(made / "files"))
        if done.returncode:
            raise BrokerError(f"{package.name} of {suite} could not be unpacked: {_end(done)}")
    for name in ("rabbitmq-server", "rabbitmqctl"):
        if not (made / "files" / "usr" / "lib" / "rabbitmq" / "bin" / name).is_symlink():
            raise BrokerError(f"RabbitMQ of {suite} keeps its {name} elsewhere than those before it.")
        (made / name).write_text(_RUN)
        (made / name).chmod(0o755)
    made.chmod(0o755)


def _fetch(suite: str, work: Path) -> None:
    """Download the packages and what they depend on, from the first of the machine's mirrors that has the suite."""
    said = ["apt is configured for no mirror."]
    for mirror in _mirrors(work):
        (work / "list").write_text(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n")
        own = [f"Dir::Etc::SourceList={work / 'list'}", "Dir::Etc::SourceParts=/dev/null"]
        done = _apt(work, "update", "--error-on=any", options=own)
        if not done.returncode:
            asked = ("install", "--download-only", "--no-install-recommends", "--yes", *_PACKAGES)
            done = _apt(work, *asked, options=own)
        if not done.returncode:
            return
        said.append(_end(done))
    raise BrokerError(f"Debian's {suite} can't be had from the mirrors that apt is configured for: {said[-1]}")


def _mirrors(work: Path) -> list[str]:
    listed = _apt(work, "update", "--print-uris", options=()).stdout
    return list(dict.fromkeys(re.findall(r"^'(\S+?)/dists/\S+/InRelease'", listed, re.MULTILINE)))


def _apt(work: Path, *command: str, options: tuple[str, ...] | list[str]) -> subprocess.CompletedProcess[str]:
    state, cache = work / "state", work / "cache"
    (state / "status").touch()
    own = (f"Dir::State={state}", f"Dir::State::status={state / 'status'}", f"Dir::Cache={cache}")
    rest = ("APT::Sandbox::User=root", "Acquire::Languages=none", "Dir::Log=/dev/null", *options)
    return _run("apt-get", "-q", *(word for each in (*own, *rest) for word in ("-o", each)), *command)


def _path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/bin:/sbin:/bin"


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": _path(), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise BrokerError(f"{command[0]} did not finish in {_SECONDS} s.") from late


def _end(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join(done.stdout.split("\n")[-4:]).strip() or f"it ended with {done.returncode}"


def main(suites: list[str]) -> int:
    """Print where each suite's ``rabbitmq-server`` is; exit code 3 where one can't be had."""
    try:
        for suite in suites:
            print(other_suite(suite))
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
