"""The demo as a person runs it: a real process, a real broker, real children, and nothing left of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import aio_pika
import pytest

from callmq_contracts.catalog import CATALOG
from callmq_contracts.names import Names
from callmq_demo.node import find_server
from callmq_demo.processes import wait_until
from callmq_worker.sandbox import Sandbox, SandboxSettings
from needs import missing

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = Path(__file__).parents[2] / "deploy"
READY = re.compile(r"worker is ready: process (\d+)")
WELL = "Each got exactly the outcome that was promised."
# An endpoint that takes back its word: it plays, and says that it does not.
TREACHEROUS = """
import dataclasses, sys
from callmq_demo import cases
kept = cases.ON_FIRST_CALL.index("calling.play")
def treacherous(*, kill, true=cases._first_call):
    each = list(true(kill=kill))
    each[kept] = dataclasses.replace(each[kept], fault={"action": "status", "status": 400, "acts": True})
    return tuple(each)
cases._first_call = treacherous
from callmq_demo.__main__ import main
sys.exit(main(["--plain"]))
"""


class Demo:
    """One run of the demo with a TMPDIR of its own, by which everything that it starts is known."""

    def __init__(self, folder: Path, *arguments: str, program: tuple[str, ...] = ("-m", "callmq_demo"), **more: str):
        ours = ("CALLMQ_", "SIGNALWIRE_")
        kept = {n: v for n, v in os.environ.items() if n == "CALLMQ_RABBITMQ_SERVER" or not n.startswith(ours)}
        self.folder = folder
        self.lines: list[str] = []
        self._said = threading.Condition()
        self.child = subprocess.Popen(
            [sys.executable, "-u", *program, *arguments],
            env={**kept, "PYTHONPATH": str(DEPLOY), "TMPDIR": str(folder), **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.child.stdout:
            with self._said:
                self.lines.append(line.rstrip("\n"))
                self._said.notify_all()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def until(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """Wait until it says so."""
        with self._said:
            assert self._said.wait_for(lambda: re.search(pattern, self.text), 100), self.text
        return re.search(pattern, self.text)

    def exit_code(self) -> int:
        code = self.child.wait(100)
        self._reader.join(10)
        return code

    def left(self) -> list[str]:
        """List processes and files that outlived it."""
        wanted = f"TMPDIR={self.folder}".encode()
        found = [str(path) for path in self.folder.iterdir()]
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_text())
        return found


@pytest.fixture
def folder(tmp_path) -> Path:
    home = tmp_path / "tmp"
    home.mkdir()
    return home


@pytest.fixture
def start(folder) -> Iterator[type[Demo]]:
    """Start demos that don't outlive the test."""
    started = []

    def begin(*arguments, **more) -> Demo:
        started.append(Demo(folder, *arguments, **more))
        return started[-1]

    yield begin
    for demo in started:
        demo.child.terminate()
        demo.child.wait(60)
        demo.child.stdout.close()


@pytest.fixture
def given(amqp_url, start):
    """Start demos on a broker that is given to them."""
    return lambda *arguments, **more: start(*arguments, CALLMQ_AMQP_URL=amqp_url, **more)


def names_on(node, amqp_url) -> list[str]:
    vhost = amqp_url.rpartition("/")[2]
    found = []
    for kind in ("queues", "exchanges"):
        found += [each["name"] for each in node.administration.call("GET", f"/api/{kind}/{vhost}")]
    return [name for name in found if name and not name.startswith("amq.")]


def test_a_bare_run_shows_every_command_and_ends_well(start) -> None:
    if find_server() is None:
        missing("rabbitmq-server")
    demo = start("--plain")
    assert demo.exit_code() == 0, demo.text
    assert WELL in demo.text
    assert "52 of 52 cases published, 52 answered: 46 succeeded, 4 rejected, 1 expired, 1 unknown." in demo.text
    assert "nobody was dialled twice" in demo.text
    for command in CATALOG:
        assert re.search(rf"succeeded +{re.escape(command)} ", demo.text)
    assert demo.left() == []


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_the_broker_starts_leaves_nothing(start, folder, times) -> None:
    if find_server() is None:
        missing("rabbitmq-server")
    demo = start("--plain")
    demo.until("Starting RabbitMQ")
    assert wait_until(lambda: any(folder.glob("callmq-node-*/boot.log")), 30)
    for _ in range(times):
        demo.child.send_signal(signal.SIGINT)
    assert demo.exit_code() == 130, demo.text
    assert "Traceback" not in demo.text
    assert demo.left() == []


@pytest.mark.parametrize("moment", ["Endpoint: ", "worker is ready", r" 9/5\d", "looking at what is left"])
def test_ctrl_c_in_the_middle_leaves_nothing_on_a_given_broker_either(given, node, amqp_url, moment) -> None:
    demo = given("--plain")
    demo.until(moment)
    demo.child.send_signal(signal.SIGINT)
    assert demo.exit_code() == 130, demo.text
    assert "Traceback" not in demo.text
    assert demo.left() == []
    assert names_on(node, amqp_url) == []


def test_sigterm_is_a_ctrl_c_with_another_number(given) -> None:
    demo = given("--plain")
    demo.until(READY)
    demo.child.terminate()
    assert demo.exit_code() == 143
    assert demo.left() == []


def test_kill_worker_loses_nothing_and_says_so_to_a_program(given, node, amqp_url, tmp_path) -> None:
    logs = tmp_path / "logs"
    demo = given("--json", "--kill-worker", "--keep-logs", str(logs))
    assert demo.exit_code() == 0, demo.text
    [line] = [line for line in demo.lines if line.startswith("{")]
    document = json.loads(line)
    assert document["ok"] is True
    assert document["deviations"] == []
    assert document["totals"]["restarts"] == 1
    assert document["totals"]["dialled_twice"] == 0
    assert document["totals"]["published"] == document["totals"]["answered"] == len(document["cases"]) == 53
    by_case = {each["case"]: each["reply"] for each in document["cases"]}
    assert by_case["killed"]["outcome"] == "unknown"
    assert (by_case["calling.play"]["outcome"], by_case["calling.play"]["attempts"]) == ("succeeded", 2)
    assert {path.name for path in logs.iterdir()} >= {"worker.log", "sandbox.log"}
    assert demo.left() == []
    assert names_on(node, amqp_url) == []


def test_a_worker_killed_by_hand_loses_nothing(given) -> None:
    demo = given("--plain")
    worker = int(demo.until(READY)[1])
    demo.until(" 1/52")
    os.kill(worker, signal.SIGKILL)
    assert demo.exit_code() == 0, demo.text
    assert WELL in demo.text
    assert "The worker died 1 time and was started again." in demo.text


def test_a_second_run_works_beside_a_callmq_that_is_there_already(given, node, amqp_url) -> None:
    vhost = amqp_url.rpartition("/")[2]
    theirs = Names("callmq").dead
    node.administration.call("PUT", f"/api/queues/{vhost}/{theirs}", {"durable": True})
    demos = [given("--plain"), given("--plain")]
    assert [demo.exit_code() for demo in demos] == [0, 0], "\n".join(demo.text for demo in demos)
    assert names_on(node, amqp_url) == [theirs]


def test_an_endpoint_that_breaks_its_word_is_found_out(given) -> None:
    demo = given(program=("-c", TREACHEROUS))
    assert demo.exit_code() == 1, demo.text
    assert "  calling.play: outcome is rejected, not succeeded" in demo.lines
    assert WELL not in demo.text
    assert demo.left() == []


def test_a_broker_that_is_not_there_is_named_without_its_password(start) -> None:
    demo = start("--plain", CALLMQ_AMQP_URL="amqp://someone:canary-5a1c@127.0.0.1:9/")
    assert demo.exit_code() == 3
    assert "could not be reached" in demo.text
    assert "canary" not in demo.text
    assert "Traceback" not in demo.text
    assert demo.left() == []


def test_live_without_numbers_is_refused(start) -> None:
    demo = start("--live", SIGNALWIRE_SPACE="example", SIGNALWIRE_PROJECT_ID="p", SIGNALWIRE_API_TOKEN="canary-5a1c")
    assert demo.exit_code() == 2
    assert "--to NUMBER" in demo.text
    assert "canary" not in demo.text


async def test_live_dials_once_ends_the_call_and_sends_nothing_else(given) -> None:
    told = SandboxSettings(project_id="project", api_token="canary-5a1c", cps=0)
    account = {"SIGNALWIRE_PROJECT_ID": "project", "SIGNALWIRE_API_TOKEN": "canary-5a1c"}
    async with Sandbox(told) as endpoint:
        numbers = ("--to", "+15550100042", "--from", "+15550100043")
        demo = given("--live", "--plain", *numbers, CALLMQ_ENDPOINT_URL=endpoint.url, **account)
        code = await asyncio.to_thread(demo.exit_code)
        commands = [entry.subject.command for entry in endpoint.journal.since(0)]
    assert code == 0, demo.text
    assert commands == ["dial", "calling.end"]
    assert WELL in demo.text
    assert "15550100042" not in demo.text


def test_the_live_table_is_shown_on_a_terminal(amqp_url, folder) -> None:
    ours, theirs = pty.openpty()
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    environment |= {"PYTHONPATH": str(DEPLOY), "TMPDIR": str(folder), "CALLMQ_AMQP_URL": amqp_url}
    child = subprocess.Popen(
        [sys.executable, "-m", "callmq_demo"], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody is left on it
        while piece := os.read(ours, 65_536):
            shown += piece
    os.close(ours)
    assert child.wait(60) == 0, shown.decode()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert "of 52 answered" in text
    assert "waiting" in text
    assert re.search(r"throttled, then taken +arrived +succeeded +2 ", text)
    assert b"\x1b[32msucceeded" in shown
    assert WELL in text


async def test_a_broker_only_is_lent_until_ctrl_c(start) -> None:
    if find_server() is None:
        missing("rabbitmq-server")
    demo = start("--broker-only")
    url = (await asyncio.to_thread(demo.until, r"export CALLMQ_AMQP_URL=(\S+)"))[1]
    async with await aio_pika.connect(url):
        demo.child.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(demo.exit_code) == 130
    assert demo.left() == []
