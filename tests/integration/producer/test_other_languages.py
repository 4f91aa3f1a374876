"""Producers without our client: the code blocks of docs/producing.md, run as they stand there, get a worker's reply.

Only the broker's URL is given to them, by environment.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import pytest

from callmq_demo.amqplib import find_amqplib, find_node
from needs import missing
from world import world

if TYPE_CHECKING:
    from world import World

PAGE = Path(__file__).parents[3] / "docs" / "producing.md"
CALL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def block(language: str) -> str:
    """Return the page's one code block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return found


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


async def output(w: World, *command: str, cwd: Path) -> str:
    """Run a program that publishes and waits for its reply, beside the worker in this process."""
    environment = {"PATH": os.environ["PATH"], "CALLMQ_AMQP_URL": w.amqp_url}
    run = partial(subprocess.run, command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=45)
    done = await asyncio.to_thread(run)
    assert (done.returncode, done.stderr) == (0, "")
    return str(done.stdout)


def amqp_tools() -> str:
    for program in ("amqp-declare-queue", "amqp-publish", "amqp-consume"):
        if shutil.which(program) is None:
            missing(f"{program} (make strangers installs amqp-tools)")
    return "sh"


async def test_a_shell_with_amqp_tools(w, tmp_path):
    shell = amqp_tools()
    script = tmp_path / "dial.sh"
    script.write_text(block("sh"))
    async with w.working():
        printed = await output(w, shell, "-eu", str(script), cwd=tmp_path)
        published = await w.reply("order-19-dial-1")
    queue, reply = printed.splitlines()  # amqp-declare-queue prints the name
    assert queue == "shell-replies"
    assert orjson.loads(reply) == published
    assert (published["outcome"], published["replayed"], published["attempts"]) == ("succeeded", False, 1)
    assert w.keys[0][0] == "-.dial.succeeded"
    assert w.acted("order-19-dial-1") == 1


@pytest.fixture
def node_program(tmp_path) -> list[str]:
    """Write the page's program beside the client that npm installed."""
    node, modules = find_node(), find_amqplib()
    if node is None:
        missing("Node.js (make setup installs it)")
    if modules is None:
        missing("amqplib (make strangers installs it)")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "dial.mjs").write_text(block("js"))
    return [str(node), "dial.mjs"]


async def test_node_with_amqplib(w, tmp_path, node_program):
    async with w.working():
        printed = await output(w, *node_program, cwd=tmp_path)
        published = await w.reply("order-18-dial-1")
        again = await output(w, *node_program, cwd=tmp_path)
        replayed = await w.reply("order-18-dial-1", 2)
    outcome, call_id = printed.split()
    assert (outcome, call_id) == (published["outcome"], published["call_id"])
    assert outcome == "succeeded"
    assert CALL_ID.fullmatch(call_id)
    assert again == printed
    assert replayed == {**published, "replayed": True}
    key, message = w.keys[0]
    assert key == "billing.dial.succeeded"
    assert message.correlation_id == "order-18"
    assert w.acted("order-18-dial-1") == 1
