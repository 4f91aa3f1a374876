"""The command line's producing verbs as processes, against a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from aio_pika.abc import AbstractQueue

from callmq_contracts.reply import OutcomeName

ROOT = Path(__file__).parents[3]
CALL = "0e9c80d7-a149-4917-892d-420043709f45"


async def start(url: str | None, *words: str, **settings: str) -> asyncio.subprocess.Process:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **settings}
    if url is not None:
        environment["CALLMQ_AMQP_URL"] = url
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "callmq", *words)
    return await asyncio.create_subprocess_exec(*command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


async def run(url: str | None, *words: str, stdin: bytes = b"", **settings: str) -> tuple[int, str, str]:
    process = await start(url, *words, **settings)
    out, err = await asyncio.wait_for(process.communicate(stdin), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_send_says_what_became_of_it(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    body = json.dumps(dial, indent=1)
    words = ("--account", "sales", "--priority", "high", "--app-id", "billing")
    code, out, err = await run(amqp_url, "send", body, "--key", "order-1", *words)
    assert (code, out, err) == (0, "confirmed order-1\n", "")
    message = await commands.get()
    assert message.body.decode() == body
    assert (message.headers["account"], message.headers["priority"], message.app_id) == ("sales", "high", "billing")


async def test_send_reads_a_file_and_the_url_from_a_file(
    amqp_url: str, commands: AbstractQueue, dial: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "body.json").write_text(json.dumps(dial))
    (tmp_path / "url").write_text(amqp_url + "\n")
    words = ("send", "--file", str(tmp_path / "body.json"), "--json")
    code, out, _ = await run(None, *words, CALLMQ_AMQP_URL_FILE=str(tmp_path / "url"))
    assert code == 0
    result = json.loads(out)
    assert result["result"] == "confirmed"
    assert (await commands.get()).headers["idempotency-key"] == result["key"]


async def test_send_takes_lines_and_tells_each(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    lines = [
        json.dumps(dial),
        "",
        json.dumps({"key": "order-2", "campaign": "spring", "priority": "bulk", "body": dial}),
        json.dumps({"command": "dial", "params": {}}),
        "not json",
        json.dumps({"key": 7, "correlation_id": 8, "body": dial}),
        json.dumps({"command": "calling.end", "id": CALL, "params": {}}),
    ]
    code, out, err = await run(amqp_url, "send", "--json", stdin="\n".join(lines).encode())
    results = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [result["result"] for result in results] == ["confirmed"] * 2 + ["invalid"] * 3 + ["confirmed"]
    assert results[1]["key"] == "order-2"
    assert results[2]["problem"]["code"] == "invalid_params"
    assert len(err.splitlines()) == 3
    received = [await commands.get(no_ack=True) for _ in range(3)]
    assert (received[1].headers["campaign"], received[1].headers["priority"]) == ("spring", "bulk")
    assert received[2].routing_key == "calling.end"


async def test_send_says_that_nothing_was_published(amqp_url: str, dial: dict[str, Any]) -> None:
    code, out, err = await run(amqp_url, "send", json.dumps(dial), "--key", "order-1")
    assert (code, out) == (1, "unroutable order-1\n")
    assert "callmq topology declare" in err


@pytest.mark.parametrize(("outcome", "expected"), [(OutcomeName.SUCCEEDED, 0), (OutcomeName.REJECTED, 1)])
async def test_call_prints_the_reply(
    amqp_url: str, answerer: Any, dial: dict[str, Any], outcome: OutcomeName, expected: int
) -> None:
    answerer.outcomes = [outcome]
    code, out, _ = await run(amqp_url, "call", "--json", "--key", "order-1", stdin=json.dumps(dial).encode())
    assert code == expected
    assert json.loads(out)["outcome"] == outcome.value


async def test_call_without_a_reply_is_3(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    code, out, err = await run(amqp_url, "call", json.dumps(dial), "--timeout", "1", "--priority", "high")
    assert (code, out) == (3, "")
    assert (await commands.get()).headers["priority"] == "high"
    assert "may have been done" in err
    assert "the key is " in err


async def test_call_with_json_prints_one_document_whatever_the_ending(
    amqp_url: str, commands: AbstractQueue, admin: Any, dial: dict[str, Any], unused_tcp_port: int
) -> None:
    async def call(url: str, body: str, *words: str) -> tuple[int, dict[str, Any]]:
        code, out, err = await run(url, "call", "--json", "--key", "order-1", body, *words)
        assert out.count("\n") == 1
        assert "callmq call: " in err
        assert "Traceback" not in err
        document = json.loads(out)
        assert document["key"] == "order-1"
        assert document["reason"]
        return code, document

    code, document = await call(amqp_url, "not json")
    assert (code, document["result"], document["problem"]["code"]) == (1, "invalid", "malformed")
    code, document = await call(amqp_url, json.dumps(dial), "--timeout", "0.5")
    assert (code, document["result"], document["provisional"]) == (3, "timeout", None)
    code, document = await call(f"amqp://guest:guest@127.0.0.1:{unused_tcp_port}/", json.dumps(dial))
    assert (code, document["result"]) == (3, "unreachable")
    await admin.queue_delete(commands.name)
    code, document = await call(amqp_url, json.dumps(dial))
    assert (code, document["result"]) == (1, "unroutable")


async def test_send_refuses_a_line_that_says_what_there_is_not(
    amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    lines = [
        json.dumps({"key": "order-1", "body": dial, "acount": "sales"}),
        json.dumps({"idempotency-key": "order-2", "expires-at": "2099-01-01T00:00:00Z", "body": dial}),
        " " * 300_000 + json.dumps(dial),
    ]
    code, out, _ = await run(amqp_url, "send", "--json", stdin="\n".join(lines).encode())
    first, second, third = (json.loads(line) for line in out.splitlines())
    assert (code, first["result"], first["key"]) == (1, "invalid", "order-1")
    assert first["problem"]["errors"][0]["path"] == "acount"
    assert (second["result"], second["key"]) == ("confirmed", "order-2")
    assert third["problem"]["code"] == "too_large"
    message = await commands.get()
    assert message.headers["idempotency-key"] == "order-2"
    assert message.headers["expires-at"] == "2099-01-01T00:00:00Z"


async def test_replies_follow_until_the_count(amqp_url: str, answerer: Any, dial: dict[str, Any]) -> None:
    process = await start(amqp_url, "replies", "--bind", "#.succeeded", "--count", "2", "--json")
    assert process.stderr is not None
    assert b"listening" in await process.stderr.readline()
    await run(amqp_url, "send", stdin=b"\n".join([json.dumps(dial).encode()] * 3))
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert [json.loads(line)["command"] for line in out.splitlines()] == ["dial", "dial"]


async def test_replies_end_at_their_time_and_at_ctrl_c(amqp_url: str, commands: AbstractQueue) -> None:
    assert (await run(amqp_url, "replies", "--timeout", "0.2"))[0] == 0
    assert (await run(amqp_url, "replies", "--timeout", "0.2", "--count", "1"))[0] == 1
    process = await start(amqp_url, "replies")
    assert process.stderr is not None
    assert b"listening" in await process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (130, b"")


async def test_ctrl_c_ends_send_while_it_waits_for_lines(
    amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    process = await start(amqp_url, "send")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(dial).encode() + b"\n")
    assert b"confirmed" in await asyncio.wait_for(process.stdout.readline(), 60)
    process.send_signal(signal.SIGINT)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (130, b"")


async def test_no_broker_is_3_and_no_password_is_shown(unused_tcp_port: int, dial: dict[str, Any]) -> None:
    url = f"amqp://guest:swordfish-canary@127.0.0.1:{unused_tcp_port}/"
    for words in (("send", json.dumps(dial)), ("call", json.dumps(dial)), ("replies",)):
        code, out, err = await run(url, *words)
        assert (code, out) == (3, "")
        assert "127.0.0.1" in err
        assert "swordfish" not in err
        assert "Traceback" not in err
