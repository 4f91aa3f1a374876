"""The parts of the benchmark that need neither a broker nor the contenders' packages."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from benchmarks import envelopes
from benchmarks.cast import EVERYONE, HERE, ROOT
from benchmarks.endpoints import Endpoint
from benchmarks.furnish import versions
from benchmarks.growth import bulk_load, ledger_of
from callmq_contracts import Command, decode
from callmq_worker.adapters.sqlite import SqliteLedger
from callmq_worker.core.record import RecordKey, State
from ledgers import closed


@pytest.mark.parametrize("envelope", [envelopes.callmq_play, envelopes.callmq_dial])
def test_callmq_is_given_commands(envelope: envelopes.Envelope) -> None:
    _, routing_key, body, properties = envelope("key-1", 1)
    found = decode(body, key="key-1")
    assert isinstance(found, Command)
    assert found.name == routing_key
    assert (properties.headers or {})["idempotency-key"] == properties.correlation_id == "key-1"


def test_one_trace_in_ten_is_sampled() -> None:
    traces = [envelopes.callmq_play("k", number)[3].headers["traceparent"] for number in range(1000)]
    assert sum(trace.endswith("-01") for trace in traces) == 100
    assert len({trace[3:35] for trace in traces}) == 1000


@pytest.mark.parametrize("envelope", [envelopes.celery, envelopes.taskiq, envelopes.dramatiq])
def test_the_others_are_given_the_same_body(envelope: envelopes.Envelope) -> None:
    _, queue, body, properties = envelope("key-1", 1)
    document = orjson.loads(body)
    text, key = document[0] if isinstance(document, list) else document["args"]
    assert (orjson.loads(text)["command"], key, queue) == ("calling.play", "key-1", envelopes.QUEUE)
    assert properties.delivery_mode == 2


def test_only_what_is_new_in_a_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "receipts.log"
    log.write_text('plain\n\\x22quoted\\x22\n"bare"\n')
    endpoint = Endpoint("http://127.0.0.1:1/", log)
    assert endpoint.lines() == ["plain", "quoted", "bare"]
    with log.open("a") as file:
        file.write("more\n")
    assert endpoint.lines() == ["more"]


async def test_a_ledger_is_filled_in_bulk(tmp_path: Path) -> None:
    path = tmp_path / "state" / "callmq.db"
    ledger = SqliteLedger(path)
    await ledger.transact(*closed(1))
    await ledger.close()
    assert ledger_of(tmp_path) == path
    bulk_load(path, 1000)
    ledger = SqliteLedger(path)
    known = await ledger.look(RecordKey("default", "000000000000-0"))
    await ledger.close()
    assert known is not None
    assert (known.command, known.state, known.reply) == ("dial", State.CLOSED, b"r" * 100)
    with closing(sqlite3.connect(path)) as file:
        keys = [row[0] for row in file.execute("SELECT key FROM records WHERE key <> 'order-1' ORDER BY rowid")]
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(set(keys)) == 1000
    assert keys == sorted(keys)
    assert {key[0] for key in keys} == set("0123456789abcdef")


def test_every_contender_has_its_file_and_its_pins() -> None:
    pinned = versions()
    for contender in EVERYONE.values():
        if contender.is_callmq:
            continue
        assert (ROOT / "requirements" / f"{contender.venv}.txt").exists()
        files = [path for path in HERE.glob("*.py") if any(path.stem in word for word in contender.command)]
        assert files, contender.name
    assert {"aiormq", "celery", "dramatiq", "faststream", "pyreqwest", "taskiq"} <= pinned.keys()


@pytest.mark.parametrize("name", ["bench", "bench-faststream"])
def test_every_pin_has_its_hash_and_no_index(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    blocks = re.findall(r"^\S+==.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", text, re.MULTILINE)
    assert len(blocks) == len(re.findall(r"==\d\S* .*\\$", text, re.MULTILINE)) > 10
    assert "://" not in text


def test_an_unknown_contender_is_wrong_usage() -> None:
    command = [sys.executable, "-m", "benchmarks", "--only", "tight,nobody"]
    environment = {"PYTHONPATH": f"{ROOT / 'deploy'}:{ROOT / 'tests'}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "unknown: nobody" in done.stderr
