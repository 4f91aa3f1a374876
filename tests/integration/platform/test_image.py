"""The container image, built for real: Dockerfile, pinned requirements, a base with the real base's name made here.

There need be no container engine and no registry of images: debootstrap makes the base, buildah builds and runs.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from needs import missing

pytestmark = [pytest.mark.image, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[3]
BASE = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]
# Debian 13 has the Python that the base has.
SUITE = "trixie"
PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{command[0]} failed: {done.stdout[-2000:]}{done.stderr[-3000:]}"
    return done.stdout


class Buildah:
    """buildah with a storage of its own, so that nothing is left in the machine's."""

    def __init__(self, folder: Path) -> None:
        self.storage = ("--root", folder / "storage", "--runroot", folder / "run", "--storage-driver", "vfs")

    def __call__(self, *words: object) -> str:
        return run("buildah", words[0], *self.storage, *words[1:], cwd=ROOT)


def make_base(folder: Path) -> None:
    """Fill the folder with what the Dockerfile expects of its base: Debian, python, venv."""
    keys = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
    trust = [f"--keyring={keys}"] if keys.exists() else []
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", *trust, SUITE, folder)
    (folder / "usr/bin/python").symlink_to("python3")
    shutil.rmtree(folder / "var/cache/apt/archives")
    pass_on_pip_settings(folder)


def pass_on_pip_settings(folder: Path) -> None:
    """Let pip inside find the index that pip outside finds: a mirror, its certificates."""
    pip = configparser.ConfigParser()
    pip["global"] = {}
    for setting, variable in (("index-url", "PIP_INDEX_URL"), ("timeout", "PIP_DEFAULT_TIMEOUT")):
        if os.environ.get(variable):
            pip["global"][setting] = os.environ[variable]
    trusted = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if trusted:
        shutil.copy(trusted, folder / "etc/ssl/machine.pem")
        pip["global"]["cert"] = "/etc/ssl/machine.pem"
    with (folder / "etc/pip.conf").open("w") as file:
        pip.write(file)
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory):
    for tool in ("buildah", "debootstrap"):
        if shutil.which(tool) is None:
            missing(tool)
    if os.geteuid() != 0:
        missing("root")
    folder = tmp_path_factory.mktemp("image")
    make_base(folder / "base")
    command = Buildah(folder)
    container = command("from", "scratch").strip()
    command("add", "--quiet", container, folder / "base", "/")
    command("config", "--env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    command("commit", "--quiet", "--rm", container, BASE)
    command(
        "bud", "--quiet", "--isolation", "chroot", "--pull-never", "--format", "docker", "--tag", "callmq:test", "."
    )
    yield command
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def container(buildah: Buildah):
    name = buildah("from", "--pull-never", "callmq:test").strip()
    yield name
    buildah("rm", name)


def inside(buildah: Buildah, container: str, *command: str) -> str:
    return buildah("run", "--isolation", "chroot", container, "--", *command)


def test_the_command_runs_as_nobody_special(buildah: Buildah, container: str) -> None:
    assert "usage: callmq" in inside(buildah, container, "callmq", "--help")
    assert "--host" in inside(buildah, container, "callmq", "sandbox", "--help")
    assert inside(buildah, container, "id", "-u").strip() == "10001"
    assert inside(buildah, container, "sh", "-c", "touch $CALLMQ_STATE_DIR/mine && echo kept").strip() == "kept"


def test_nothing_may_be_changed_and_nothing_can_be_built(buildah: Buildah, container: str) -> None:
    look = "import importlib.util as u; print([n for n in ('pip', 'hatchling', 'setuptools') if u.find_spec(n)])"
    assert inside(buildah, container, "python", "-c", look).strip() == "[]"
    script = "test ! -w /opt/callmq && test ! -e /opt/build && test ! -e /src && test ! -e /wheels && echo so"
    assert inside(buildah, container, "sh", "-c", script).strip() == "so"


def test_every_module_of_the_wheel_can_be_imported(buildah: Buildah, container: str) -> None:
    walk = (
        "import importlib, pkgutil, callmq, callmq_contracts, callmq_worker\n"
        "for package in (callmq, callmq_contracts, callmq_worker):\n"
        "    for each in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if not each.name.endswith('__main__'): importlib.import_module(each.name)\n"
        "print('all', package.__file__)"
    )
    assert inside(buildah, container, "python", "-c", walk).startswith("all /opt/callmq/lib")


def test_what_an_engine_reads(buildah: Buildah) -> None:
    config = json.loads(buildah("inspect", "--type", "image", "callmq:test"))["Docker"]["config"]
    assert config["Entrypoint"] == ["callmq"]
    assert config["Cmd"] == ["work"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "/opt/callmq/healthcheck.py", "/livez"]
    assert config["Labels"]["org.opencontainers.image.title"] == "callmq"
