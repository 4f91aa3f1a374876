"""What comes back from a publish, against a real broker."""

from __future__ import annotations

import asyncio
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractQueue

from callmq import Blocked, Client, Confirmed, Nacked, Unknown, Unroutable
from callmq_contracts.names import Names

NAMES = Names()


async def test_a_command_in_a_queue_is_confirmed(amqp_url: str, commands: AbstractQueue, dial: dict[str, Any]):
    async with Client(amqp_url) as client:
        result = await client.send(dial, key="order-1")
    assert isinstance(result, Confirmed)
    assert result.ok
    assert result.key == "order-1"
    assert (await commands.get()).message_id == result.message_id
