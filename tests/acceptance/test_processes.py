"""``callmq work --processes``: real processes under one parent, which outlive each other and end together."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.processes import Processes
from callmq_worker.adapters.processes import environment as shared_environment
from world import environment, until, world

DIAL = EXAMPLES["dial"][0]


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


class Parent:
    """One ``callmq work --processes`` with its probes."""

    def __init__(self, process: subprocess.Popen, port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    def children(self) -> list[int]:
        own = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in own.read_text().split()]

    def ask(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as refusal:
            return refusal.read().decode()
        except OSError:
            return '{"ready": false}'

    async def ready(self) -> None:
        await until(lambda: self.process.poll() is not None or json.loads(self.ask("/readyz"))["ready"])
        assert self.process.poll() is None, self.log.read_text()


@pytest.fixture
def several(w, tmp_path, unused_tcp_port):
    started = []

    def start(count: int, **more: str) -> Parent:
        more = {"CALLMQ_HEALTH_ADDR": f"127.0.0.1:{unused_tcp_port}", **more}
        told = {**os.environ, **environment(str(w.amqp_url), w.ledger, w.sandbox.url, **more)}
        log = tmp_path / "parent.log"
        with log.open("ab") as stream:
            words = [sys.executable, "-m", "callmq", "work", "--processes", str(count)]
            process = subprocess.Popen(words, env=told, stderr=stream)
        parent = Parent(process, unused_tcp_port, log)
        started.append(parent)
        return parent

    yield start
    for parent in started:
        if parent.process.poll() is None:
            pids = parent.children()
            parent.process.kill()
            parent.process.wait()
            for pid in pids:
                os.kill(pid, signal.SIGKILL)


async def test_all_of_them_work_and_answer_for_each_other(w, several):
    parent = several(2)
    await parent.ready()
    assert len(parent.children()) == 2
    keys = [f"k{n}" for n in range(60)]
    for key in keys:
        assert (await w.client.send(DIAL, key=key)).ok
    assert {(await w.reply(key))["outcome"] for key in keys} == {"succeeded"}
    assert [w.acted(key) for key in keys] == [1] * 60

    def done() -> dict[str, float]:
        found = re.findall(r'callmq_outcomes_total\{.*process="(\d)"\} (\S+)', parent.ask("/metrics"))
        return {process: float(count) for process, count in found}

    await until(lambda: sum(done().values()) == 60)
    assert set(done()) == {"1", "2"}
    parent.process.terminate()
    assert await asyncio.to_thread(parent.process.wait, 20) == 0


async def test_one_that_is_killed_is_started_again_and_the_other_goes_on(w, several):
    parent = several(2)
    await parent.ready()
    first, second = parent.children()
    os.kill(first, signal.SIGKILL)
    for n in range(20):
        assert (await w.client.send(DIAL, key=f"k{n}")).ok
    assert {(await w.reply(f"k{n}"))["outcome"] for n in range(20)} == {"succeeded"}
    await until(lambda: len(parent.children()) == 2 and first not in parent.children())
    assert second in parent.children()
    await parent.ready()
    assert sum(map(int, re.findall(r"callmq_process_restarts_total\{.*\} (\d)", parent.ask("/metrics")))) == 1
    parent.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(parent.process.wait, 20) == 0


async def drained(w, several) -> Parent:
    """Lend a parent that was told to stop while one of its two workers has a request on its way."""
    w.sandbox.arm("hang", match={"key": "k1"}, acts=True)
    parent = several(2, CALLMQ_HTTP_DEADLINE="20", CALLMQ_LEASE="25", CALLMQ_GRACE="30")
    await parent.ready()
    assert (await w.client.send(DIAL, key="k1")).ok
    await w.sandbox.holding(1)
    parent.process.terminate()
    return parent


async def test_sigterm_lets_them_settle_and_a_second_one_ends_them_at_once(w, several):
    parent = await drained(w, several)
    await until(lambda: len(parent.children()) == 1)  # the idle one ended
    assert parent.process.poll() is None
    assert "not ready" not in parent.ask("/livez")
    parent.process.terminate()
    assert await asyncio.to_thread(parent.process.wait, 20) == 1


async def test_without_its_parent_none_goes_on(w, several):
    parent = several(2)
    await parent.ready()
    pids = parent.children()
    parent.process.kill()
    parent.process.wait()
    await gone(pids)


async def gone(pids: list[int]) -> None:
    await until(lambda: not any(runs(pid) for pid in pids))


def runs(pid: int) -> bool:
    """Whether it still does: one that has ended stays listed, without a command line, until its new parent looks."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


async def test_a_parent_that_dies_with_unread_reports_leaves_no_orphans(w, several):
    parent = several(2)
    await parent.ready()
    pids = parent.children()
    parent.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(1.5)  # some reports long
    parent.process.kill()
    parent.process.wait()
    await gone(pids)


@pytest.mark.parametrize("how", ["the whole group is told", "the parent dies"])
async def test_a_drain_is_not_cut_short_by_a_second_reason(w, several, how):
    parent = await drained(w, several)
    await until(lambda: len(parent.children()) == 1)
    pids = parent.children()
    if how == "the parent dies":
        parent.process.kill()
        parent.process.wait()
    else:
        os.kill(pids[0], signal.SIGTERM)
    await asyncio.sleep(0.5)
    w.sandbox.release()
    assert (await w.reply("k1"))["outcome"] == "succeeded"
    await gone(pids)
    assert "stopping at once" not in parent.log.read_text()
    if how != "the parent dies":
        assert await asyncio.to_thread(parent.process.wait, 20) == 0


async def test_a_process_that_can_not_start_leaves_the_parent_alive_and_not_ready(w, several, tmp_path):
    parent = several(2, CALLMQ_AMQP_URL="amqp://nobody:wrong@127.0.0.1:1/")
    await until(lambda: "broker" in parent.ask("/readyz"))
    assert json.loads(parent.ask("/livez")) == {"live": True}
    parent.process.terminate()
    assert await asyncio.to_thread(parent.process.wait, 20) == 0


async def test_one_that_hangs_is_killed_and_replaced(caplog):
    hanging = Processes(1, (sys.executable, "-c", "import time; time.sleep(600)"), os.environ, 1.0, silence=0.3)
    running = asyncio.create_task(hanging.run())
    await until(lambda: hanging.metrics()[-1].samples and restarts(hanging) >= 1, running)
    hanging.stop()
    assert await running == 0  # it had not begun anything
    assert "process says nothing, killed" in caplog.text


def restarts(processes: Processes) -> float:
    return next(m for m in processes.metrics() if m.name == "callmq_process_restarts_total").samples[0].value


REPORTING = """
import os, sys, time
while True:
    os.write(int(sys.argv[-1]), b'{"ready": true, "failing": {}, "metrics": []}\\n')
    time.sleep(0.1)
"""
SILENCED = """
import os, sys, time
os.write(int(sys.argv[-1]), b'{"ready": true, "failing": {}, "metrics": []}\\n')
os.close(int(sys.argv[-1]))
time.sleep(600)
"""
MISCONFIGURED = """
import os, sys
os.write(int(sys.argv[-1]), b'{"ready": true, "failing": {}, "metrics": []}\\n')
sys.exit(2)
"""


@contextlib.asynccontextmanager
async def kept(script: str, count: int = 1, python: str = sys.executable, silence: float = 60.0):
    """Keep processes that run a script; yield their parent's part and its task."""
    processes = Processes(count, (python, "-c", script), os.environ, 1.0, silence=silence)
    running = asyncio.create_task(processes.run())
    try:
        yield processes, running
    finally:
        processes.stop()
        await running


async def test_a_parent_that_could_not_run_for_a_while_kills_nobody():
    async with kept(REPORTING, silence=0.8) as (processes, running):
        await until(lambda: processes.readiness()[0], running)
        time.sleep(1.5)  # the loop stands still, as in a stopped process
        await asyncio.sleep(1.5)
        assert (restarts(processes), processes.readiness()) == (0, (True, {}))


async def test_one_that_stopped_reporting_is_not_ready_and_is_replaced():
    async with kept(SILENCED, silence=0.3) as (processes, running):
        await until(lambda: processes.metrics()[-1].samples and restarts(processes) >= 1, running)


async def test_wrong_settings_of_one_that_worked_before_do_not_end_the_others():
    async with kept(MISCONFIGURED) as (processes, running):
        await until(lambda: processes.metrics()[-1].samples and restarts(processes) >= 1, running)
        assert not running.done()


async def test_one_that_can_not_be_started_does_not_end_the_others(tmp_path, caplog):
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    async with kept(REPORTING, 2, str(python)) as (processes, running):
        await until(lambda: processes.readiness()[0], running)
        first, second = (place.child.pid for place in processes._places)
        python.unlink()
        os.kill(first, signal.SIGKILL)
        await until(lambda: "process can't be started" in caplog.text, running)
        assert Path(f"/proc/{second}").exists()
        python.symlink_to(sys.executable)
        await until(lambda: processes.readiness()[0], running)
        assert processes._places[1].child.pid == second


async def test_wrong_settings_of_one_end_all():
    words = (sys.executable, "-c", "raise SystemExit(2)")
    assert await Processes(3, words, os.environ, 1.0).run() == 2


def test_the_probes_are_the_parents():
    given = {"PATH": "/bin", "CALLMQ_DIAL_RATE": "2", "CALLMQ_HEALTH_ADDR_FILE": "/run/address"}
    assert shared_environment(given) == {"PATH": "/bin", "CALLMQ_DIAL_RATE": "2", "CALLMQ_HEALTH_ADDR": "off"}


@pytest.mark.parametrize("count", ["0", "-1", "257", "two", "1.5", "\u0663"])
def test_a_number_that_there_is_not_is_refused(count):
    words = [sys.executable, "-m", "callmq", "work", "--processes", count]
    ended = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert "a whole number from 1 to 256" in ended.stderr
