"""Two worker processes on one ledger of each kind: of several messages with one key, the endpoint receives one."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from callmq_contracts.examples import EXAMPLES
from processes import Processes, until_routed
from world import world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DIAL = EXAMPLES["dial"][0]
STORES: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "sqlite": lambda asked: f"sqlite:///{asked.getfixturevalue('tmp_path') / 'shared.db'}",
    "postgres": lambda asked: asked.getfixturevalue("postgres").url(asked.getfixturevalue("database")),
    "redis": lambda asked: asked.getfixturevalue("redis_url"),
}


@pytest.fixture(params=STORES)
def ledger_url(request: pytest.FixtureRequest) -> str:
    return STORES[request.param](request)


@pytest.fixture
async def w(amqp_url, tmp_path: Path):
    async with world(amqp_url, tmp_path / "unused.db") as w:
        yield w


@pytest.fixture
def workers(w, tmp_path: Path) -> Iterator[Processes]:
    with Processes(w, tmp_path / "worker.log").all() as workers:
        yield workers


async def test_two_workers_send_each_key_once(w, workers: Processes, ledger_url: str):
    for _ in range(2):
        workers.start(CALLMQ_LEDGER_URL=ledger_url, CALLMQ_CONCURRENCY="8")
    await until_routed(w, "first")
    w.sandbox.arm("delay", seconds=0.05, when="before_answering", times=0)
    keys = [f"k{n}" for n in range(40)] * 4
    random.Random(5).shuffle(keys)
    assert all(result.ok for result in await asyncio.gather(*(w.client.send(DIAL, key=key) for key in keys)))
    for key in set(keys):
        said = [await w.reply(key, count) for count in range(1, 5)]
        assert {(r["outcome"], r["call_id"], r["reply_id"]) for r in said} == {
            ("succeeded", said[0]["call_id"], said[0]["reply_id"])
        }
        assert w.acted(key) == 1
    log = (w.ledger.parent / "worker.log").read_text()
    assert "canary-password-of-the-store" not in log


async def test_a_worker_takes_over_from_one_that_was_killed(w, workers: Processes, ledger_url: str):
    w.sandbox.arm("hang", match={"key": "k1"}, acts=True)
    first = workers.start(CALLMQ_LEDGER_URL=ledger_url)
    await until_routed(w, "k1")
    await w.sandbox.holding(1)
    workers.start(CALLMQ_LEDGER_URL=ledger_url)
    first.kill()
    first.wait()
    w.sandbox.release()
    assert (await w.reply("k1"))["outcome"] == "unknown"
    assert w.acted("k1") == 1
