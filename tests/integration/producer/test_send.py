"""What comes back from a publish, against a real broker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue

from callmq import (
    Blocked,
    Client,
    ClientClosedError,
    Confirmed,
    Invalid,
    InvalidCommandError,
    Message,
    Nacked,
    Unknown,
    Unroutable,
)
from callmq_contracts.names import Names
from callmq_demo.node import PrivateNode

NAMES = Names()


def bodies(dial: dict[str, Any], count: int) -> list[Message]:
    return [Message(dial, f"key-{n}") for n in range(count)]


async def test_a_command_in_a_queue_is_confirmed(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    async with Client(amqp_url) as client:
        result = await client.send(dial, key="order-1")
    assert isinstance(result, Confirmed)
    assert result.ok
    assert result.key == "order-1"
    assert (await commands.get()).message_id == result.message_id


async def test_without_a_queue_it_is_unroutable(amqp_url: str, admin: AbstractChannel, dial: dict[str, Any]) -> None:
    await admin.declare_exchange(NAMES.commands, "topic", durable=True)
    async with Client(amqp_url) as client:
        result = await client.send(dial, key="order-1")
    assert isinstance(result, Unroutable)
    assert "No queue takes 'dial'" in result.text


async def test_the_unroutable_one_of_many_is_the_one_that_is_told(
    amqp_url: str, admin: AbstractChannel, dial: dict[str, Any]
) -> None:
    exchange = await admin.declare_exchange(NAMES.commands, "topic", durable=True)
    queue = await admin.declare_queue("dials", durable=True)
    await queue.bind(exchange, "dial")
    end = {"command": "calling.end", "id": "0e9c80d7-a149-4917-892d-420043709f45", "params": {}}
    async with Client(amqp_url) as client:
        same_key = [Message(end if n % 10 == 7 else dial, "one-key-for-all") for n in range(100)]
        results = [result async for result in client.send_many(same_key)]
    assert [n for n, result in enumerate(results) if not result.ok] == list(range(7, 100, 10))
    assert all(isinstance(result, Unroutable) for result in results[7::10])


async def test_a_missing_exchange_is_told_and_later_found(
    amqp_url: str, admin: AbstractChannel, dial: dict[str, Any]
) -> None:
    async with Client(amqp_url) as client:
        first = await client.send(dial, key="order-1")
        exchange = await admin.declare_exchange(NAMES.commands, "topic", durable=True)
        await (await admin.declare_queue("dials", durable=True)).bind(exchange, "dial")
        second = await client.send(dial, key="order-1")
    assert isinstance(first, Unroutable)
    assert "no exchange 'callmq.commands'" in first.text
    assert isinstance(second, Confirmed)


async def test_an_exchange_that_vanishes_under_the_client(
    amqp_url: str, admin: AbstractChannel, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    async with Client(amqp_url) as client:
        assert (await client.send(dial, key="order-1")).ok
        await admin.exchange_delete(NAMES.commands)
        alone = await client.send(dial, key="order-2")
        await admin.declare_exchange(NAMES.commands, "topic", durable=True)
        await commands.bind(NAMES.commands, "#")
        assert (await client.send(dial, key="order-3")).ok
        await admin.exchange_delete(NAMES.commands)
        many = [result async for result in client.send_many(bodies(dial, 50))]
        last = await client.send(dial, key="order-4")
    assert isinstance(alone, Unroutable)
    # With several under way nobody can tell which of them the broker still took.
    assert all(isinstance(result, Unroutable | Unknown) for result in many)
    assert isinstance(last, Unroutable)


async def test_a_user_who_may_not_publish_is_told_so(
    private_node: PrivateNode, amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    vhost = urlsplit(amqp_url).path[1:]
    api = private_node.administration
    await asyncio.to_thread(api.call, "PUT", "/api/users/reader", {"password": "swordfish-canary", "tags": ""})
    rights = {"configure": "", "write": "", "read": ".*"}
    await asyncio.to_thread(api.call, "PUT", f"/api/permissions/{vhost}/reader", rights)
    url = amqp_url.replace(urlsplit(amqp_url).netloc.rpartition("@")[0], "reader:swordfish-canary")
    async with Client(url) as client:
        result = await client.send(dial, key="order-1")
    await asyncio.to_thread(api.call, "DELETE", "/api/users/reader")
    assert isinstance(result, Blocked)
    assert "ACCESS_REFUSED" in result.text
    assert "swordfish" not in result.text


async def test_a_full_queue_nacks(amqp_url: str, admin: AbstractChannel, dial: dict[str, Any]) -> None:
    exchange = await admin.declare_exchange(NAMES.commands, "topic", durable=True)
    arguments: dict[str, Any] = {"x-max-length": 1, "x-overflow": "reject-publish"}
    queue = await admin.declare_queue("small", durable=True, arguments=arguments)
    await queue.bind(exchange, "#")
    async with Client(amqp_url) as client:
        first = await client.send(dial, key="order-1")
        second = await client.send(dial, key="order-2")
    assert isinstance(first, Confirmed)
    assert isinstance(second, Nacked)
    assert second.key == "order-2"


async def test_a_blocked_broker_is_told_from_an_unknown_end(
    private_node: PrivateNode, amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    async with Client(amqp_url, publish_timeout=1.5) as client:
        assert (await client.send(dial, key="before")).ok
        await asyncio.to_thread(private_node.set_memory_alarm, on=True)
        try:
            # The first one makes the broker say that it blocks: it is on its way, and may yet arrive.
            first = await client.send(dial, key="first")
            second = await client.send(dial, key="second")
            client._publisher._timeout = 60
            waiting = asyncio.create_task(client.send(dial, key="waited"))
        finally:
            await asyncio.to_thread(private_node.set_memory_alarm, on=False)
        assert isinstance(await waiting, Confirmed)
        third = await client.send(dial, key="third")
    assert isinstance(first, Unknown)
    assert "alarm" in first.text
    assert isinstance(second, Blocked)
    assert "alarm" in second.text
    assert isinstance(third, Confirmed)
    keys = {str(message.headers["idempotency-key"]) for message in await drain(commands)}
    assert "second" not in keys
    assert {"before", "waited", "third"} <= keys


async def test_a_connection_closed_in_the_middle(
    private_node: PrivateNode, amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    async with Client(amqp_url) as client:
        closing = asyncio.create_task(asyncio.sleep(0))

        async def until_closed() -> AsyncIterator[Message]:
            """Keep the window full until the connection was closed under it, so that some are on their way then."""
            nonlocal closing
            for number in itertools.count():
                if number == 500:
                    closing = asyncio.create_task(asyncio.to_thread(private_node.close_connections, amqp_url))
                if number > 1000 and closing.done():
                    return
                yield Message(dial, f"key-{number}")

        results = [result async for result in client.send_many(until_closed(), window=256)]
        await closing
        after = await client.send(dial, key="after")
    assert isinstance(after, Confirmed)
    assert [result.key for result in results] == [f"key-{n}" for n in range(len(results))]
    lost = [result for result in results if not result.ok]
    assert lost
    assert all(isinstance(result, Unknown) for result in lost)
    # The test's own connection was closed as well.
    async with Client(amqp_url) as again:
        link = await again._consuming.open()
        queue = await (await link.channel()).get_queue(commands.name)
        keys = {str(message.headers["idempotency-key"]) for message in await drain(queue)}
    assert {str(result.key) for result in results if result.ok} <= keys


async def test_results_come_in_order_within_the_window(
    amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    taken = 0

    async def source() -> Any:
        nonlocal taken
        for n in range(300):
            taken += 1
            yield Message({"command": "dial", "params": {}} if n == 100 else dial, f"key-{n}")

    ahead, results = 0, []
    async with Client(amqp_url) as client:
        async for result in client.send_many(source(), window=10):
            results.append(result)
            ahead = max(ahead, taken - len(results))
    assert [result.key for result in results] == [f"key-{n}" for n in range(300)]
    assert [n for n, result in enumerate(results) if isinstance(result, Invalid)] == [100]
    assert sum(result.ok for result in results) == 299
    assert ahead <= 11
    keys = [message.headers["idempotency-key"] for message in await drain(commands)]
    assert keys == [f"key-{n}" for n in range(300) if n != 100]


async def test_a_body_that_is_none_stops_nothing(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    wrong: list[Any] = ["abc", 7, None, [dial], {"command": "dial", "params": {"to": float("nan")}}]
    known = Invalid("known", "", "Why.")
    async with Client(amqp_url) as client:
        messages = [*(Message(body, "k") for body in wrong), known, Message(dial, "good")]
        results = [result async for result in client.send_many(messages)]
    assert [type(result) for result in results] == [Invalid] * 6 + [Confirmed]
    assert results[5] is known
    assert len(await drain(commands)) == 1


async def test_leaving_send_many_early_leaves_nothing_behind(
    amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    before = asyncio.all_tasks()
    async with Client(amqp_url) as client:
        results = client.send_many(bodies(dial, 1000), window=50)
        async for _ in results:
            break
        await results.aclose()  # type: ignore[attr-defined]
        assert (await client.send(dial, key="after")).ok
    assert asyncio.all_tasks() == before


async def test_nothing_is_sent_of_what_is_wrong(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    async with Client(amqp_url) as client:
        for body, key in (
            (dial, None),
            (dial, ""),
            (dial, "two words"),
            (dial, "k" * 256),
            ({"command": "dial", "params": {}}, "order-1"),
            (b"not json", "order-1"),
            (b'{"command":"dial","pad":"' + b"x" * 262_144 + b'"}', "order-1"),
        ):
            with pytest.raises(InvalidCommandError):
                await client.send(body, key=key)
    assert await drain(commands) == []


async def test_a_client_works_only_inside_its_block(
    amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    client = Client(amqp_url)
    with pytest.raises(ClientClosedError):
        await client.send(dial, key="order-1")
    async with client:
        assert (await client.send(dial, key="order-1")).ok
    with pytest.raises(ClientClosedError):
        await client.send(dial, key="order-1")


async def drain(queue: AbstractQueue) -> list[Any]:
    found = []
    while message := await queue.get(no_ack=True, fail=False):
        found.append(message)
    return found
