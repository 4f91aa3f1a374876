from __future__ import annotations

from typing import Any

from callmq import Client


async def test_a_call_returns_the_reply(amqp_url: str, answerer: Any, dial: dict[str, Any]):
    async with Client(amqp_url) as client:
        reply = await client.call(dial, key="order-1")
        assert client._desk is not None
        assert client._desk.waiting == 0
    assert reply.ok
    assert reply.idempotency_key == "order-1"
    assert not reply.replayed
