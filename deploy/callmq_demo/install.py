"""Install Debian or Ubuntu packages where the rights allow.

``python -m callmq_demo.install`` installs RabbitMQ; with arguments, the programs of these names, each from the package
of the same name unless it is known to be in another.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from callmq_demo.faults import BrokerError
from callmq_demo.node import find_server

_HOW = "Install RabbitMQ 3.10 or newer (Debian, Ubuntu: apt-get install rabbitmq-server), or start Docker or Podman."
_MINUTES = 15
_PACKAGES = {"amqp-publish": "amqp-tools", "postgres": "postgresql"}
# Where packages put what is not on the path; the newest first.
_PLACES = {"postgres": ("usr/lib/postgresql/*/bin/postgres", "usr/pgsql-*/bin/postgres")}
_SERVICES = {"rabbitmq-server", "postgresql", "redis-server"}


def find_program(name: str) -> Path | None:
    """Find a program on the path, else where its package puts it."""
    found = shutil.which(name)
    places = [place for pattern in _PLACES.get(name, ()) for place in sorted(Path("/").glob(pattern), reverse=True)]
    return Path(found) if found else next(iter(places), None)


def apt_prefix() -> list[str] | None:
    """Give what goes before ``apt-get``: nothing for root, ``sudo -n`` where it asks no password; None: no rights."""
    if shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None


def apt_install(package: str) -> None:
    """Install one package; BrokerError with the end of apt's own words where that fails."""
    prefix = apt_prefix()
    if prefix is None:
        raise BrokerError(f"{package} can't be installed here: that takes apt-get and root, or sudo without password.")
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    _apt([*command, "update"])
    _apt([*command, "install", "--no-install-recommends", package])
    if package in _SERVICES:
        _keep_service_off(package)


def install_rabbitmq() -> Path:
    """Install rabbitmq-server unless it is there; the answer is its start script."""
    present = find_server()
    if present:
        return present
    if apt_prefix() is None:
        raise BrokerError(f"There is no RabbitMQ here. {_HOW}")
    print("Installing rabbitmq-server with apt-get (about half a minute) ...", file=sys.stderr)
    apt_install("rabbitmq-server")
    installed = find_server()
    if installed is None:
        raise BrokerError(f"apt-get installed rabbitmq-server, but its start script was not found. {_HOW}")
    return installed


def _keep_service_off(service: str) -> None:
    """Stop the service that the package started, where services are started: we run servers of our own."""
    if Path("/run/systemd/system").exists():
        command = [*(apt_prefix() or []), "systemctl", "disable", "--now", service]
        subprocess.run(command, capture_output=True, check=False)
        print(f"The packaged service {service} was switched off; only private ones are used.", file=sys.stderr)


def _apt(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_MINUTES * 60,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise BrokerError(f"apt-get did not finish in {_MINUTES} minutes.") from late
    if done.returncode:
        raise BrokerError(f"apt-get failed ({done.returncode}):\n" + "\n".join(done.stdout.splitlines()[-8:]))


def main(programs: list[str]) -> int:
    """Install what is missing; exit code 3 where that can't be."""
    try:
        for program in programs:
            if find_program(program) is None:
                print(f"Installing {program} with apt-get ...", file=sys.stderr)
                apt_install(_PACKAGES.get(program, program))
        if not programs:
            install_rabbitmq()
    except BrokerError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
