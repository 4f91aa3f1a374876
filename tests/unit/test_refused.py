"""A connection that nobody takes leaves nothing behind, whenever it is collected."""

import asyncio
import gc
import logging
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from callmq.address import parse_addresses
from callmq.connection import Link
from callmq.errors import BrokerUnreachableError
from callmq_worker.adapters.amqp import Hosts, connect
from callmq_worker.ports import BrokerAwayError


@pytest.fixture
def refusing():
    """Lend the URL of a port at which nobody listens, and nobody else can."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"amqp://guest:guest@127.0.0.1:{bound.getsockname()[1]}/"


async def of_the_worker(url: str) -> None:
    with pytest.raises(BrokerAwayError):
        await connect(Hosts((url,)), "refused")


async def of_the_producer(url: str) -> None:
    link = Link(parse_addresses(url), "refused", 5.0)
    with pytest.raises(BrokerUnreachableError):
        await link.open()
    await link.close()


@pytest.mark.parametrize("attempt", [of_the_worker, of_the_producer])
def test_a_refused_connection_is_collected_in_silence_after_the_loop_has_run(refusing, attempt, caplog):
    caplog.set_level(logging.CRITICAL + 1, "aiormq")  # its records would keep the error, and so the connection

    def work() -> None:  # in a thread of its own there is no current loop, as for a moment at the end of asyncio.run
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(attempt(refusing))
            gc.collect()

    gc.disable()
    try:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(work).result()
    finally:
        gc.enable()
