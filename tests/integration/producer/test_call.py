"""Calls that wait for their replies, against a real broker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmq import (
    BrokerUnreachableError,
    Client,
    ClientClosedError,
    InvalidCommandError,
    NotPublishedError,
    OutcomeName,
    ReplyTimeoutError,
    Unroutable,
)


def waiting(client: Client) -> int:
    assert client._desk is not None
    return client._desk.waiting


async def test_a_call_returns_its_reply(amqp_url: str, answerer: Any, dial: dict[str, Any]) -> None:
    async with Client(amqp_url) as client:
        reply = await client.call(dial, key="order-1")
        assert waiting(client) == 0
    assert reply.ok
    assert reply.final
    assert reply.idempotency_key == "order-1"
    assert not reply.replayed
    (message,) = answerer.received
    assert message.correlation_id
    assert message.reply_to.startswith("amq.gen")


async def test_two_hundred_calls_at_once_each_get_their_own(amqp_url: str, answerer: Any, dial: dict[str, Any]) -> None:
    async with Client(amqp_url) as client:
        replies = await asyncio.gather(*(client.call(dial, key=f"order-{n}") for n in range(200)))
        assert waiting(client) == 0
    assert [reply.idempotency_key for reply in replies] == [f"order-{n}" for n in range(200)]


async def test_calls_beyond_the_bound_wait_for_a_place(amqp_url: str, answerer: Any, dial: dict[str, Any]) -> None:
    most = 0

    async def call(client: Client, n: int) -> None:
        nonlocal most
        await client.call(dial, key=f"order-{n}")
        most = max(most, waiting(client))

    async with Client(amqp_url, max_waiting=3) as client:
        await asyncio.gather(*(call(client, n) for n in range(30)))
    assert len(answerer.acted) == 30
    assert most <= 3


async def test_a_timeout_says_that_it_may_have_been_done_and_leaks_nothing(
    amqp_url: str, answerer: Any, dial: dict[str, Any]
) -> None:
    answerer.speaks = False
    async with Client(amqp_url) as client:
        with pytest.raises(ReplyTimeoutError, match="may have been done") as caught:
            await client.call(dial, key="order-1", timeout=1)
        assert caught.value.key == "order-1"
        assert "order-1" not in str(caught.value)
        assert waiting(client) == 0
        answerer.speaks = True
        again = await client.call(dial, key="order-1")
    assert again.ok
    assert answerer.acted == ["order-1"]


async def test_a_cancelled_call_leaks_nothing(amqp_url: str, answerer: Any, dial: dict[str, Any]) -> None:
    answerer.speaks = False
    async with Client(amqp_url) as client:
        calls = [asyncio.create_task(client.call(dial, key=f"order-{n}")) for n in range(20)]
        await answerer.has(20)
        assert waiting(client) == 20
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        assert waiting(client) == 0
        answerer.speaks = True
        assert (await client.call(dial, key="order-20")).ok


async def test_repeats_of_a_reply_disturb_nobody(amqp_url: str, answerer: Any, dial: dict[str, Any]) -> None:
    answerer.copies = 3
    async with Client(amqp_url) as client:
        for n in range(20):
            assert (await client.call(dial, key=f"order-{n}")).idempotency_key == f"order-{n}"


async def test_an_unknown_outcome_comes_as_it_is_or_is_waited_out(
    amqp_url: str, answerer: Any, dial: dict[str, Any]
) -> None:
    answerer.outcomes = [OutcomeName.UNKNOWN, OutcomeName.SUCCEEDED]
    async with Client(amqp_url) as client:
        provisional = await client.call(dial, key="order-1")
        final = await client.call(dial, key="order-2", final=True)
        answerer.outcomes = [OutcomeName.UNKNOWN]
        with pytest.raises(ReplyTimeoutError, match="outcome so far is unknown") as caught:
            await client.call(dial, key="order-3", final=True, timeout=1)
    assert provisional.outcome is OutcomeName.UNKNOWN
    assert not provisional.final
    assert final.outcome is OutcomeName.SUCCEEDED
    assert caught.value.provisional is not None


async def test_a_lost_connection_is_mended_and_the_same_key_asked_again(
    network: Any, answerer: Any, dial: dict[str, Any]
) -> None:
    answerer.speaks = False
    async with Client(network.url()) as client:
        calls = [asyncio.create_task(client.call(dial, key=f"order-{n}")) for n in range(50)]
        await answerer.has(50)
        answerer.speaks = True
        network.break_all()
        replies = await asyncio.gather(*calls)
        assert waiting(client) == 0
    assert all(reply.ok for reply in replies)
    assert sorted(answerer.acted) == sorted(f"order-{n}" for n in range(50))
    assert len(answerer.received) == 100
    assert len({message.reply_to for message in answerer.received}) == 2


async def test_a_lost_reply_queue_is_declared_again(amqp_url: str, answerer: Any, dial: dict[str, Any]) -> None:
    answerer.speaks = False
    async with Client(amqp_url) as client:
        call = asyncio.create_task(client.call(dial, key="order-1"))
        await answerer.has(1)
        connection = await client._consuming.open()
        async with connection.channel() as channel:
            answerer.speaks = True
            await channel.queue_delete(answerer.received[0].reply_to)
        assert (await call).ok
    assert answerer.acted == ["order-1"]


async def test_what_was_certainly_not_published_is_said(amqp_url: str, dial: dict[str, Any]) -> None:
    async with Client(amqp_url) as client:
        with pytest.raises(NotPublishedError, match="no exchange") as caught:
            await client.call(dial, key="order-1", timeout=5)
        assert isinstance(caught.value.result, Unroutable)
        with pytest.raises(InvalidCommandError):
            await client.call(dial)
        assert waiting(client) == 0


async def test_calls_end_when_the_client_is_closed(amqp_url: str, answerer: Any, dial: dict[str, Any]) -> None:
    answerer.speaks = False
    async with Client(amqp_url) as client:
        calls = [asyncio.create_task(client.call(dial, key=f"order-{n}")) for n in range(5)]
        await answerer.has(5)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, ClientClosedError) for result in results)


async def test_two_calls_under_one_correlation_id_are_refused(
    amqp_url: str, answerer: Any, dial: dict[str, Any]
) -> None:
    answerer.speaks = False
    async with Client(amqp_url) as client:
        first = asyncio.create_task(client.call(dial, key="order-1", correlation_id="c-1"))
        await answerer.has(1)
        with pytest.raises(ValueError, match="correlation_id"):
            await client.call(dial, key="order-2", correlation_id="c-1")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


async def test_without_a_broker_a_first_call_says_so(network: Any, answerer: Any, dial: dict[str, Any]) -> None:
    async with Client(network.url()) as client:
        network.refuse()
        with pytest.raises(BrokerUnreachableError):
            await client.call(dial, key="order-1")
    assert answerer.received == []
