"""Following replies, against a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractQueue

from callmq import BrokerRefusedError, Client, ClientClosedError, OutcomeName
from callmq_demo.node import PrivateNode

Publish = Callable[[str, bytes], Any]


@pytest.fixture
def publish(admin: AbstractChannel, commands: AbstractQueue, make_reply: Callable[..., bytes]) -> Any:
    async def publish(routing_key: str, key: str, sequence: int = 0, body: bytes | None = None) -> None:
        exchange = await admin.get_exchange("callmq.replies", ensure=False)
        body = make_reply("dial", key, OutcomeName.SUCCEEDED, sequence) if body is None else body
        await exchange.publish(aio_pika.Message(body), routing_key, mandatory=False)

    return publish


async def test_the_pattern_chooses_and_repeats_are_left_out(amqp_url: str, publish: Any) -> None:
    seen = []
    async with Client(amqp_url) as client, client.replies("billing.#") as replies:
        await publish("other.dial.succeeded", "other")
        await publish("billing.dial.succeeded", "a")
        await publish("billing.dial.succeeded", "a")
        await publish("billing.dial.succeeded", "a", 1)
        await publish("billing.dial.succeeded", "", body=b"no reply at all")
        await publish("billing.dial.succeeded", "last")
        async for reply in replies:
            seen.append((reply.idempotency_key, reply.reply_id))
            if reply.idempotency_key == "last":
                break
    assert [key for key, _ in seen] == ["a", "a", "last"]
    assert len(set(seen)) == 3


async def test_a_named_queue_keeps_what_was_not_acknowledged(
    amqp_url: str, publish: Any, admin: AbstractChannel
) -> None:
    async with Client(amqp_url) as client:
        async with client.replies("#", queue="mine"):
            pass
        for key in ("a", "b", "c"):
            await publish("billing.dial.succeeded", key)  # nobody listens
        async with client.replies("#", queue="mine") as replies:
            assert (await anext(replies)).idempotency_key == "a"
            assert (await anext(replies)).idempotency_key == "b"  # acknowledges a; then the step fails
        async with client.replies("#", queue="mine") as replies:
            assert (await anext(replies)).idempotency_key == "b"
            assert (await anext(replies)).idempotency_key == "c"
            await replies.acknowledge()
    queue = await admin.declare_queue("mine", passive=True)
    assert queue.declaration_result.message_count == 0


async def test_following_goes_on_after_a_loss_and_shows_nothing_twice(network: Any, publish: Any) -> None:
    async with Client(network.url()) as client, client.replies("#", queue="mine") as replies:
        await publish("billing.dial.succeeded", "a")
        await publish("billing.dial.succeeded", "b")
        assert (await anext(replies)).idempotency_key == "a"
        network.break_all()  # a's acknowledgement is lost, both are delivered again
        await publish("billing.dial.succeeded", "c")
        keys = [str((await anext(replies)).idempotency_key) for _ in range(2)]
    assert sorted(keys) == ["b", "c"]


async def test_replies_come_while_publishers_are_blocked(
    private_node: PrivateNode, amqp_url: str, publish: Any, dial: dict[str, Any]
) -> None:
    async with Client(amqp_url, publish_timeout=1) as client:
        async with client.replies("#", queue="mine"):
            pass
        await publish("billing.dial.succeeded", "a")
        assert (await client.send(dial, key="order-1")).ok
        await asyncio.to_thread(private_node.set_memory_alarm, on=True)
        try:
            assert not (await client.send(dial, key="order-2")).ok  # now the broker reads nothing from this connection
            async with asyncio.timeout(20), client.replies("#", queue="mine") as replies:
                assert (await anext(replies)).idempotency_key == "a"
        finally:
            await asyncio.to_thread(private_node.set_memory_alarm, on=False)


async def test_without_the_exchange_it_is_refused(amqp_url: str) -> None:
    async with Client(amqp_url) as client:
        with pytest.raises(BrokerRefusedError, match="no exchange 'callmq"):
            await anext(client.replies())


async def test_a_stream_ends_with_its_client(amqp_url: str, commands: AbstractQueue) -> None:
    async def follow(replies: Any) -> int:
        return len([reply async for reply in replies])

    async with Client(amqp_url) as client:
        replies = client.replies()
        await replies.start()
        following = asyncio.create_task(follow(replies))
    assert await following == 0
    with pytest.raises(ClientClosedError):
        client.replies()
