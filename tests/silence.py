"""A queue whose leader does not answer, as after a lost majority: all of RabbitMQ lives, but for this one queue."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from callmq_demo.node import PrivateNode


@contextlib.asynccontextmanager
async def silent(node: PrivateNode, vhost: str, queue: str) -> AsyncIterator[None]:
    """Hold the process of a quorum queue on a single node for the time of the block."""
    name = f"'{'%2F' if vhost == '/' else vhost}_{queue}'"
    await asyncio.to_thread(node.ctl, "eval", f"sys:suspend({name}).")
    try:
        yield
    finally:
        await asyncio.to_thread(node.ctl, "eval", f"sys:resume({name}).")
