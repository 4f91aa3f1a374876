"""Real worker processes, killed with -9 at the worst moments: nothing is lost and nobody is dialled twice."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from callmq_contracts.examples import EXAMPLES
from processes import Processes, until_routed
from world import TOKEN, until, world

DIAL = EXAMPLES["dial"][0]


@pytest.fixture
async def w(amqp_url, tmp_path):
    async with world(amqp_url, tmp_path / "l.db") as w:
        yield w


@pytest.fixture
def workers(w, tmp_path):
    with Processes(w, tmp_path / "worker.log").all() as workers:
        yield workers


async def test_killed_while_a_dial_is_being_sent_it_is_unknown_and_not_sent_again(w, workers):
    w.sandbox.arm("hang", match={"key": "k1"}, acts=True)
    first = workers.start()
    await until_routed(w, "k1")
    await w.sandbox.holding(1)
    first.kill()
    first.wait()
    w.sandbox.release()
    workers.start()
    reply = await w.reply("k1")
    assert reply["outcome"] == "unknown"
    assert (await w.one("callmq.unknown")).headers["idempotency-key"] == "k1"
    assert w.acted("k1") == 1


async def test_killed_again_and_again_nothing_is_lost_and_nobody_dialled_twice(w, workers):
    chance = random.Random(20261123)
    keys = [f"k{n}" for n in range(150)]
    w.sandbox.arm("delay", seconds=0.15, when="before_answering", times=0)
    process = workers.start(CALLMQ_CONCURRENCY="16")
    await until_routed(w, keys[0])
    for key in keys[1:]:
        assert (await w.client.send(DIAL, key=key)).ok
    for _ in range(4):
        await asyncio.sleep(chance.uniform(0.2, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = workers.start(CALLMQ_CONCURRENCY="16")
    outcomes = {key: (await w.reply(key))["outcome"] for key in keys}
    assert {key for key in keys if w.acted(key) > 1} == set()
    assert set(outcomes.values()) <= {"succeeded", "unknown"}
    assert sum(o == "unknown" for o in outcomes.values()) <= 4 * 16
    for key, outcome in outcomes.items():
        assert w.acted(key) == 1 or outcome == "unknown"
    contradictions = {}
    for reply in w.replies:
        contradictions.setdefault(reply["reply_id"], set()).add((reply["outcome"], reply["call_id"]))
    assert all(len(said) == 1 for said in contradictions.values())
    process.terminate()
    assert process.wait(20) == 0


async def test_sigterm_ends_gracefully_and_a_second_one_at_once(w, workers, tmp_path):
    w.sandbox.arm("hang", match={"key": "k1"}, acts=True)
    process = workers.start(CALLMQ_HTTP_DEADLINE="20", CALLMQ_LEASE="25", CALLMQ_GRACE="30")
    await until_routed(w, "k1")
    await w.sandbox.holding(1)
    process.terminate()
    await until(lambda: b"stopping" in (tmp_path / "worker.log").read_bytes())
    assert process.poll() is None
    process.terminate()
    assert await asyncio.to_thread(process.wait, 20) == 1


async def test_no_credential_is_ever_written(w, workers, tmp_path):
    body = {**DIAL, "params": {**DIAL["params"], "password": "canary-password-1"}}
    w.sandbox.arm("status", status=401, match={"key": "k2"}, body={"error": f"no {TOKEN} canary-password-1"})
    process = workers.start(CALLMQ_LOG_LEVEL="debug")
    await until_routed(w, "k1", body)
    await w.client.send(body, key="k2")
    await w.reply("k1")
    await w.reply("k2")
    assert TOKEN.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
    process.terminate()
    process.wait(20)
    log = (tmp_path / "worker.log").read_text()
    broker_password = w.amqp_url.split("@")[0].rpartition(":")[2]
    number = body["params"]["to"]
    for canary in (TOKEN, "canary-password-1", broker_password, number):
        assert canary not in log
        assert canary not in str(w.replies) or canary == number
    assert log.count("\n") > 3


def test_wrong_settings_are_named_all_at_once_and_nothing_starts(tmp_path):
    told = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CALLMQ_CONCURRENCY": "many", "CALLMQ_PREFIX": "a b",
            "CALLMQ_HTTP_DEADLINE": "50", "CALLMQ_LEASE": "20", "CALLMQ_RETRY_TIERS": "5s,1s",
            "CALLMQ_AMQP_URL": "http://user:canary@host", "CALLMQ_ENDPOINT_URL": "http://example.com/x"}  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "callmq", "work"], check=False, env=told, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 2
    for name in ("CALLMQ_CONCURRENCY", "CALLMQ_PREFIX", "CALLMQ_LEASE", "CALLMQ_RETRY_TIERS", "CALLMQ_AMQP_URL",
                 "CALLMQ_ENDPOINT_URL", "SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN"):  # fmt: skip
        assert name in ended.stderr
    assert "canary" not in ended.stderr
    assert list(tmp_path.iterdir()) == []
