"""Addresses, results, replies, and work done in order."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import callmq
from callmq import (
    Blocked,
    Client,
    Confirmed,
    Invalid,
    InvalidReplyError,
    InvalidUrlError,
    Nacked,
    OutcomeName,
    Problem,
    ProblemCode,
    Reply,
    Unknown,
    Unroutable,
    parse_reply,
)
from callmq.address import parse_addresses
from callmq.bulk import in_order
from callmq.connection import ForeignCancelError, Shared, own_cancellation_only


def test_one_host() -> None:
    (address,) = parse_addresses("amqp://user:p%40ss@rabbit.example/prod%2Feu")
    assert (address.host, address.port, address.vhost) == ("rabbit.example", 5672, "prod/eu")
    assert address.url == "amqp://user:p%40ss@rabbit.example:5672/prod%2Feu?heartbeat=10"
    assert "p%40ss" not in repr(address)


def test_a_cluster_as_hosts_and_as_urls() -> None:
    hosts = parse_addresses("amqps://u:p,w@a,b:1,[::1]:2/v?cafile=/ca.pem&heartbeat=15")
    assert [address.place for address in hosts] == ["a:5671", "b:1", "[::1]:2"]
    assert hosts[1].url == "amqps://u:p,w@b:1/v?cafile=/ca.pem&heartbeat=15"
    urls = parse_addresses("amqp://u:p@a/v, amqp://u:p@b:1/v")
    assert [address.place for address in urls] == ["a:5672", "b:1"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "http://u:canary@host/",
        "amqp://",
        "amqp://u:can/ary@host/",
        "amqp://u:can@ary@ho st/",
        "amqp://u:canary@host:0/",
        "amqp://u:canary@host:65536/",
        "amqp://u:canary@host:port/",
        "amqp://u:canary@a,,b/",
        "amqp://u:canary@a/one,amqp://u:canary@a/two",
        "amqp://u:canary@host/#fragment",
    ],
)
def test_a_wrong_url_is_said_and_not_quoted(url: str) -> None:
    with pytest.raises(InvalidUrlError) as caught:
        Client(url)
    assert "canary" not in str(caught.value)
    assert "ary" not in str(caught.value).replace("necessary", "")


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ValueError, match="prefix"):
        Client("amqp://host/", prefix="no spaces")
    with pytest.raises(ValueError, match="app_id"):
        Client("amqp://host/", app_id="a" * 256)


def test_only_a_confirmation_is_ok() -> None:
    results = [kind("key-canary", "m", "Why.") for kind in (Confirmed, Unroutable, Nacked, Blocked, Unknown)]
    results.append(Invalid("key-canary", "", "Why.", Problem(ProblemCode.MALFORMED, "")))  # type: ignore[arg-type]
    assert [result.ok for result in results] == [True] + [False] * 5
    assert len({result.name for result in results}) == 6
    assert all(result.text.startswith("Why. ") for result in results)
    assert "canary" not in "".join(result.text for result in results)


def test_the_worker_s_reply_is_read_back() -> None:
    sent = Reply(
        reply_id="r",
        idempotency_key="k",
        command="dial",
        outcome=OutcomeName.REJECTED,
        received_at=1_795_341_600.123,
        finished_at=1_795_341_601.5,
        call_id="c",
        http_status=422,
        response={"errors": []},
        problem=Problem(ProblemCode.REFUSED, "no", ({"code": "x"},)),
        leniencies=("a",),
        attempts=2,
    )
    reply = parse_reply(sent.dump())
    assert reply.document == sent.as_dict()
    assert reply.received_at is not None
    assert reply.received_at.timestamp() == 1_795_341_600.123
    assert reply.problem is not None
    assert (reply.problem.code, reply.problem.errors) == ("refused", ({"code": "x"},))
    fields = ("reply_id", "idempotency_key", "command", "outcome", "call_id", "http_status", "response", "leniencies")
    assert all(getattr(reply, name) == getattr(sent, name) for name in (*fields, "attempts", "replayed", "account"))
    assert (reply.ok, reply.final) == (False, True)


def test_a_later_version_s_reply_is_read_as_far_as_it_is_known() -> None:
    body = {"version": 2, "reply_id": "r", "outcome": "unknown", "new": [1], "attempts": "two", "problem": 7}
    reply = parse_reply(json.dumps(body).encode())
    assert (reply.outcome, reply.final, reply.attempts, reply.problem) == (OutcomeName.UNKNOWN, False, 0, None)
    assert reply.document["new"] == [1]
    assert reply.received_at is None


@pytest.mark.parametrize(
    "body", [b"", b"canary", b"[]", b"{}", b'{"reply_id":"r"}', b'{"reply_id":"r","outcome":"canary"}']
)
def test_what_is_no_reply_is_said(body: bytes) -> None:
    with pytest.raises(InvalidReplyError) as caught:
        parse_reply(body)
    assert "canary" not in str(caught.value)


async def test_results_are_in_order_and_as_soon_as_they_are_there() -> None:
    gates = [asyncio.Event() for _ in range(5)]

    async def act(n: int) -> int:
        await gates[n].wait()
        return n

    results = in_order(act, range(5), 3)
    first = asyncio.ensure_future(anext(results))
    gates[1].set()
    await asyncio.sleep(0)
    assert not first.done()
    gates[0].set()
    assert await first == 0
    for gate in gates:
        gate.set()
    assert [n async for n in results] == [1, 2, 3, 4]


async def test_what_the_source_raises_comes_after_the_results_before() -> None:
    def source() -> Any:
        yield 1
        yield 2
        raise LookupError("the source broke")

    async def act(n: int) -> int:
        return n

    results = in_order(act, source(), 10)
    assert [await anext(results), await anext(results)] == [1, 2]
    with pytest.raises(LookupError):
        await anext(results)


async def test_a_shared_attempt_outlives_the_one_who_started_it() -> None:
    gate = asyncio.Event()
    attempts = 0

    async def make() -> int:
        nonlocal attempts
        attempts += 1
        await gate.wait()
        return attempts

    shared = Shared(make)
    one, two = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    gate.set()
    assert await two == 1
    assert await shared.get() == 2


async def test_a_foreign_cancellation_is_told_from_our_own() -> None:
    foreign = asyncio.get_running_loop().create_future()
    foreign.set_exception(asyncio.CancelledError())
    with pytest.raises(ForeignCancelError), own_cancellation_only():
        await foreign

    async def ours() -> None:
        with own_cancellation_only():
            await asyncio.Event().wait()

    task = asyncio.create_task(ours())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await ours()


def test_every_public_name_can_be_had() -> None:
    assert {"Client", "Dial", "Confirmed", "parse_reply"} <= set(callmq.__all__)
    assert all(getattr(callmq, name) is not None for name in callmq.__all__)
    with pytest.raises(AttributeError):
        callmq.no_such_name  # noqa: B018 - asking is the test


def test_importing_the_package_alone_imports_nothing_else() -> None:
    code = "import sys, callmq; sys.exit('callmq_contracts' in sys.modules or 'aio_pika' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False).returncode
        == 0
    )


def test_type_checkers_see_the_names_that_can_be_had() -> None:
    tree = ast.parse(Path(str(callmq.__file__)).read_text("utf-8"))
    lists = [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and "__all__" in ast.dump(node.targets[0])
    ]
    assert set(ast.literal_eval(lists[0])) == set(callmq._HOME)
