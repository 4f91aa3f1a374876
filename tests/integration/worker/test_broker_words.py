"""What the broker says of a publication is what its publisher is told, whatever happens meanwhile."""

import asyncio
import contextlib
from collections import Counter

import aio_pika
import pytest
from aiormq.abc import ChannelFrame
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from callmq_worker.adapters import amqp, publishing
from callmq_worker.adapters.amqp import Hosts
from callmq_worker.adapters.clock import SystemClock
from callmq_worker.adapters.rabbitmq import RabbitBroker
from callmq_worker.core.layout import Lane
from callmq_worker.core.publications import Publication
from callmq_worker.ports import Published

QUORUM = {"x-queue-type": "quorum"}


class Line:
    """A session of ours and an administrator beside it."""

    def __init__(self, broker, session, admin) -> None:
        self.broker = broker
        self.session = session
        self.admin = admin

    async def publish(self, key: str, body: bytes = b"x", exchange: str = "", **more) -> Published:
        return await self.broker.publisher.publish(Publication(exchange, key, body, **more))

    async def queue(self, name: str, **arguments):
        return await self.admin.declare_queue(name, durable=True, arguments=arguments or QUORUM)

    async def consume(self, name: str, prefetch: int = 100):
        """Consume a queue; return the consumer and the list that grows with the deliveries."""
        taken = []
        return await self.session.consume(Lane(name, name), prefetch, taken.append), taken

    @property
    def way(self):
        """The only channel that publishes."""
        [way] = self.broker.publisher._ways.values()
        return way

    def break_publishing(self) -> None:
        """Cut the publishing connection's socket."""
        self.session._publishing.inlet._transport.abort()


@pytest.fixture
async def line(amqp_url):
    broker = RabbitBroker(Hosts((amqp_url,)), "test", SystemClock())
    session = await broker.connect()
    async with await aio_pika.connect(amqp_url) as connection:
        yield Line(broker, session, await connection.channel())
        await session.close()


async def test_each_of_many_in_flight_is_told_its_own_word(line):
    exchange = await line.admin.declare_exchange("x", "topic", durable=True)
    await (await line.queue("open")).bind(exchange, "open")
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    await (await line.queue("full", **full)).bind(exchange, "full")
    assert await line.publish("full", exchange="x") is Published.CONFIRMED
    keys = [("open", "nowhere", "full")[n % 3] for n in range(300)]
    words = await asyncio.gather(*(line.publish(key, exchange="x") for key in keys))
    assert Counter(zip(keys, words, strict=True)) == {
        ("open", Published.CONFIRMED): 100,
        ("nowhere", Published.UNROUTABLE): 100,
        ("full", Published.NACKED): 100,
    }
    assert await line.publish("nowhere", exchange="x", mandatory=False) is Published.CONFIRMED
    assert line.way._waiting == {}


async def test_an_absent_exchange_is_told_to_all_that_wait_and_to_no_other(line):
    await line.queue("q")
    absent = [line.publish("k", exchange="absent") for _ in range(20)]
    words = await asyncio.gather(*absent, line.publish("q"))
    assert words == [Published.ABSENT] * 20 + [Published.CONFIRMED]
    await line.admin.declare_exchange("absent", "fanout", durable=True)
    assert await line.publish("k", exchange="absent", mandatory=False) is Published.CONFIRMED


@pytest.mark.parametrize("how", ["channel", "connection", "socket"])
async def test_what_is_in_flight_when_its_way_ends_is_in_doubt_and_never_confirmed_wrongly(line, how):
    queue = await line.queue("q")
    assert await line.publish("q", b"first") is Published.CONFIRMED
    flying = [asyncio.create_task(line.publish("q")) for _ in range(500)]
    await asyncio.sleep(0)
    assert len(line.way._waiting) == 500
    if how == "channel":
        ending = asyncio.create_task(line.way._channel.close())
    elif how == "connection":
        ending = asyncio.create_task(line.session._publishing.close())
    else:
        ending = asyncio.create_task(asyncio.sleep(0))
        line.break_publishing()
    async with asyncio.timeout(10):
        words = Counter(await asyncio.gather(*flying))
    await ending
    assert set(words) <= {Published.CONFIRMED, Published.UNKNOWN}
    if how == "socket":
        assert words[Published.UNKNOWN] > 0
    held = (await queue.declare()).message_count
    assert words[Published.CONFIRMED] < held + 1
    if how != "channel":
        assert await line.session.lost()
        assert await line.publish("q") in (Published.BLOCKED, Published.UNKNOWN)


async def test_a_blocked_connection_is_told_and_what_was_written_before_still_counts(line, private_node, monkeypatch):
    queue = await line.queue("q")
    monkeypatch.setattr(publishing, "PUBLISH_TIMEOUT", 0.5)
    await asyncio.to_thread(private_node.set_memory_alarm, on=True)
    try:
        assert await line.publish("q", b"written") is Published.UNKNOWN
        assert await line.publish("q", b"not written") is Published.BLOCKED
        assert line.way._waiting == {}
    finally:
        await asyncio.to_thread(private_node.set_memory_alarm, on=False)
    monkeypatch.undo()
    async with asyncio.timeout(20):
        while await line.publish("q", b"after") is not Published.CONFIRMED:
            await asyncio.sleep(0.01)
    bodies = [(await queue.get(no_ack=True)).body for _ in range(2)]
    assert bodies == [b"written", b"after"]
    assert await queue.get(no_ack=True, fail=False) is None


@pytest.mark.parametrize("message_id", [None, "1", "stranger-1", "bad"])
async def test_a_return_that_matches_nothing_leaves_nobody_confirmed(line, message_id):
    await line.queue("q")
    await line.publish("q")
    flying = asyncio.create_task(line.publish("q"))
    await asyncio.sleep(0)
    told = Basic.Return(reply_code=312, reply_text="NO_ROUTE", exchange="", routing_key="q")
    header = ContentHeader(body_size=1, properties=Basic.Properties(message_id=message_id))
    for each in (told, header, ContentBody(b"x")):
        piece = frame.marshal(each, line.way._channel.number).replace(b"\x03bad", b"\x03\xff\xff\xff")
        line.session._publishing.inlet.data_received(piece)
    assert await flying is Published.UNKNOWN
    assert await line.publish("q") is Published.CONFIRMED


async def test_a_cancelled_publication_is_forgotten(line):
    await line.queue("q")
    await line.publish("q")
    flying = asyncio.create_task(line.publish("q"))
    await asyncio.sleep(0)
    assert len(line.way._waiting) == 1
    flying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await flying
    assert line.way._waiting == {}
    assert await line.publish("q") is Published.CONFIRMED


async def test_a_full_queue_to_the_writer_keeps_the_order(line):
    queue = await line.queue("q")
    await line.publish("q", b"first")
    beat = ChannelFrame.marshall(frames=[Heartbeat()], channel_number=0)
    write_queue = line.way._channel.connection.write_queue
    pumping = []

    def fill() -> None:  # runs between what a publication writes and its leaving
        while not write_queue.full():
            write_queue.put_nowait(beat)
        line.way._outlet._flush()
        pumping.append(line.way._outlet._pumping is not None)

    flying = []
    for n in range(50):
        flying.append(asyncio.create_task(line.publish("q", b"%d" % n)))
        if n % 7 == 0:
            asyncio.get_running_loop().call_soon(fill)
            await asyncio.sleep(0)
    assert any(pumping)
    assert set(await asyncio.gather(*flying)) == {Published.CONFIRMED}
    bodies = [(await queue.get(no_ack=True)).body for _ in range(51)]
    assert bodies == [b"first", *(b"%d" % n for n in range(50))]


async def test_a_connection_that_is_only_busy_outlives_its_grace(amqp_url, monkeypatch):
    monkeypatch.setattr(amqp, "HEARTBEAT", 1)
    broker = RabbitBroker(Hosts((amqp_url,)), "test", SystemClock())
    session = await broker.connect()
    connection = session._consuming.transport.connection
    grace = (connection.heartbeat_timeout + 1) * connection.HEARTBEAT_GRACE_MULTIPLIER
    async with await aio_pika.connect(amqp_url) as outside:
        await (await outside.channel()).declare_queue("q", durable=True, arguments=QUORUM)
        tasks = set()

        async def again(delivery) -> None:
            assert await broker.publisher.publish(Publication("", "q", b"x")) is Published.CONFIRMED
            await delivery.receipt.acknowledge()

        def taken(delivery) -> None:
            task = asyncio.get_running_loop().create_task(again(delivery))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        for _ in range(3):
            await broker.publisher.publish(Publication("", "q", b"x"))
        await session.consume(Lane("q", "q"), 10, taken)
        losing = asyncio.create_task(session.lost())
        done, _ = await asyncio.wait({losing}, timeout=grace + 3)
        assert not done
        losing.cancel()
        await session.close()
        await asyncio.gather(*tasks, return_exceptions=True)
