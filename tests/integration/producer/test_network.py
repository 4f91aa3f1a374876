"""A network and a broker that fail, and what the producer says then."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from aio_pika.abc import AbstractChannel, AbstractQueue

from callmq import Blocked, BrokerUnreachableError, Client, Confirmed, Unknown
from callmq_demo.node import PrivateNode

CANARY = "swordfish-canary"


def with_password(amqp_url: str, password: str) -> str:
    url = urlsplit(amqp_url)
    return url._replace(netloc=f"{url.username}:{password}@{url.hostname}:{url.port}").geturl()


async def refusal(url: str) -> str:
    with pytest.raises(BrokerUnreachableError) as caught:
        async with Client(url, connect_timeout=3):
            pass
    assert CANARY not in str(caught.value) + repr(caught.value)
    return str(caught.value)


async def test_a_wrong_password_is_said_and_not_shown(amqp_url: str) -> None:
    text = await refusal(with_password(amqp_url, CANARY))
    assert "Check the user name and the password" in text
    assert str(urlsplit(amqp_url).port) in text


async def test_a_wrong_vhost_is_said(amqp_url: str) -> None:
    assert "nowhere" in await refusal(urlsplit(amqp_url)._replace(path="/nowhere").geturl())


async def test_a_wrong_host_and_a_closed_port_are_said(amqp_url: str, unused_tcp_port: int) -> None:
    text = await refusal(f"amqp://guest:{CANARY}@127.0.0.1:{unused_tcp_port},no-such-host.invalid:5672/")
    assert f"127.0.0.1:{unused_tcp_port}:" in text
    assert "no-such-host.invalid:5672:" in text


async def test_a_host_that_accepts_and_says_nothing_is_left_in_time(unused_tcp_port: int) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", unused_tcp_port):
        assert "no answer in time" in await refusal(f"amqp://guest:{CANARY}@127.0.0.1:{unused_tcp_port}/")


async def test_a_host_that_speaks_something_else_is_said(unused_tcp_port: int) -> None:
    def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", unused_tcp_port):
        assert f"127.0.0.1:{unused_tcp_port}" in await refusal(f"amqp://guest:{CANARY}@127.0.0.1:{unused_tcp_port}/")


async def test_the_next_host_of_a_cluster_is_tried(
    amqp_url: str, commands: AbstractQueue, dial: dict[str, Any], unused_tcp_port: int
) -> None:
    url = urlsplit(amqp_url)
    user, _, host = url.netloc.rpartition("@")
    several = url._replace(netloc=f"{user}@127.0.0.1:{unused_tcp_port},{host}").geturl()
    async with Client(several) as client:
        assert (await client.send(dial, key="order-1")).ok


async def test_tls_with_the_right_ca_and_with_a_wrong_one(
    tls_network: Callable[[ssl.SSLContext], Any], commands: AbstractQueue, dial: dict[str, Any], tmp_path: Path
) -> None:
    right, wrong = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    right.issue_cert("localhost").configure_cert(context)
    right.cert_pem.write_to_path(str(tmp_path / "right.pem"))
    wrong.cert_pem.write_to_path(str(tmp_path / "wrong.pem"))
    async with tls_network(context) as network:
        async with Client(network.url(f"?cafile={tmp_path}/right.pem", host="localhost")) as client:
            assert (await client.send(dial, key="order-1")).ok
        text = await refusal(network.url(f"?cafile={tmp_path}/wrong.pem", host="localhost"))
        assert "certificate is not trusted" in text
        text = await refusal(network.url(f"?cafile={tmp_path}/none.pem", host="localhost"))
        assert "was not found" in text


async def test_in_a_blackhole_a_publish_is_unknown_and_nobody_is_cancelled(
    network: Any, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    async with Client(network.url("?heartbeat=1"), publish_timeout=30) as client:
        assert (await client.send(dial, key="order-1")).ok
        network.blackhole()
        # The heartbeat ends it long before the timeout, with a CancelledError that nobody asked for.
        result = await client.send(dial, key="order-2")
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        network.heal()
        after = await client.send(dial, key="order-2")
    assert isinstance(result, Unknown)
    assert "connection ended" in result.text
    assert isinstance(after, Confirmed)


async def test_a_publish_without_a_word_ends_at_its_timeout_and_the_next_one_reconnects(
    network: Any, commands: AbstractQueue, dial: dict[str, Any]
) -> None:
    async with Client(network.url(), publish_timeout=1) as client:
        assert (await client.send(dial, key="order-1")).ok
        network.blackhole()
        first = await client.send(dial, key="order-2")
        second = await client.send(dial, key="order-3")
        assert isinstance(first, Unknown)
        assert isinstance(second, Blocked)  # its way was in doubt, so nothing was put on it
        network.heal()
        client._publisher._timeout = 30
        assert isinstance(await client.send(dial, key="order-2"), Confirmed)


async def test_our_own_cancellation_goes_through(network: Any, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    async with Client(network.url(), publish_timeout=60) as client:
        assert (await client.send(dial, key="order-1")).ok
        network.blackhole()
        sending = asyncio.create_task(client.send(dial, key="order-2"))
        await asyncio.wait_for(network.held.wait(), 30)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        network.heal()
        assert (await client.send(dial, key="order-3")).ok


async def test_a_reset_connection_is_opened_again(network: Any, commands: AbstractQueue, dial: dict[str, Any]) -> None:
    async with Client(network.url()) as client:
        client._publishing._chance = lambda: 0.0
        for n in range(5):
            # The first one after a reset may go out before this side knows of it.
            while not isinstance(result := await client.send(dial, key=f"order-{n}"), Confirmed):
                assert isinstance(result, Unknown)
            network.break_all()


async def test_a_broker_that_crashed_is_waited_for(
    private_node: PrivateNode, amqp_url: str, admin: AbstractChannel, dial: dict[str, Any]
) -> None:
    exchange = await admin.declare_exchange("callmq.commands", "topic", durable=True)
    # Not a quorum queue: 3.10 never confirms again into one that was declared just before it was killed.
    await (await admin.declare_queue("classic", durable=True)).bind(exchange, "#")
    async with Client(amqp_url, publish_timeout=2) as client:
        assert (await client.send(dial, key="order-1")).ok
        await asyncio.to_thread(private_node.crash)
        try:
            away = await client.send(dial, key="order-2")
            away = away if isinstance(away, Blocked) else await client.send(dial, key="order-2")
        finally:
            await asyncio.to_thread(private_node.boot)
        client._publisher._timeout = 60
        back = await client.send(dial, key="order-2")
    assert isinstance(away, Blocked)
    assert "No connection to RabbitMQ" in away.text
    assert isinstance(back, Confirmed)
