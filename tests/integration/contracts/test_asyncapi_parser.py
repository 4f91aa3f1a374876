"""The committed AsyncAPI document, read by the AsyncAPI initiative's own parser."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from callmq_contracts import CATALOG
from callmq_demo.amqplib import find_node, npm_command
from needs import missing

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "reference" / "asyncapi.json"
SCRIPT = Path(__file__).with_name("parse_asyncapi.mjs")
PACKAGE, VERSION = "@asyncapi/parser", "3.6.3"
QUIET = ("--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


@pytest.fixture(scope="session")
def parser() -> Path:
    """Lend the folder in which the parser is installed: once for this checkout, by npm."""
    folder = ROOT / ".cache" / f"asyncapi-parser-{VERSION}"
    if find_node() is None:
        missing("node")
    if not folder.exists():
        install(folder)
    return folder


def install(folder: Path) -> None:
    npm = npm_command()
    if npm is None:
        missing("npm")
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as room:
        made = Path(room) / "made"
        made.mkdir()
        command = [*npm, "install", *QUIET, "--prefix", str(made), f"{PACKAGE}@{VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=made, timeout=100)
        if done.returncode:
            missing(f"{PACKAGE} {VERSION} from npm (which said: {done.stderr.strip()[-300:]})")
        try:
            os.rename(made, folder)  # noqa: PTH104 - unlike Path.rename, nothing but the one call
        except OSError:
            if not folder.exists():  # else another run was quicker
                raise


def parsed(parser: Path, document: Path) -> dict:
    command = [str(find_node()), str(SCRIPT), str(parser), str(document)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_it_is_valid(parser):
    assert parsed(parser, DOCUMENT) == {
        "errors": [],
        "channels": ["commands", "replies", "directReplies", "dead", "unknown"],
        "operations": [
            ["sendCommand", "send", len(CATALOG)],
            ["receiveReply", "receive", 1],
            ["receiveDeadLetter", "receive", 1],
            ["receiveParkedCommand", "receive", 1],
        ],
        "reply": "$message.header#/reply_to",
    }


BREAKS = {
    "a reference to nothing": lambda d: d["components"]["schemas"].pop("DialParams"),
    "a binding that AMQP has not": lambda d: d["channels"]["unknown"]["bindings"]["amqp"].pop("queue"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_parser_would_find_what_is_wrong(parser, tmp_path, name):
    document = json.loads(DOCUMENT.read_text())
    BREAKS[name](document)
    broken = tmp_path / "asyncapi.json"
    broken.write_text(json.dumps(document))
    assert parsed(parser, broken)["errors"]
