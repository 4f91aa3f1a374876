"""Deliveries come whole, in their order, to the consumer they are for, and go back as they came."""

import asyncio
import ssl
from urllib.parse import urlsplit

import aio_pika
import orjson
import pytest
import trustme
from aiormq.abc import ChannelFrame
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from callmq_contracts.envelope import UNREADABLE
from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.amqp import Hosts
from callmq_worker.adapters.clock import SystemClock
from callmq_worker.adapters.frames import LARGEST, acknowledged
from callmq_worker.adapters.rabbitmq import RabbitBroker
from callmq_worker.core.layout import Lane
from callmq_worker.core.publications import Publication
from callmq_worker.ports import BrokerAwayError, Published
from world import until, world

QUORUM = {"x-queue-type": "quorum"}
SIZES = [0, 1, LARGEST - 9, LARGEST - 8, LARGEST - 7, 3 * LARGEST, 1 << 20]


@pytest.fixture
async def admin(amqp_url):
    async with await aio_pika.connect(amqp_url) as connection:
        yield await connection.channel()


@pytest.fixture
async def broker(amqp_url):
    return RabbitBroker(Hosts((amqp_url,)), "test", SystemClock())


@pytest.fixture
async def session(broker):
    session = await broker.connect()
    yield session
    await session.close()


async def consume(session, name: str, prefetch: int = 100):
    taken = []
    return await session.consume(Lane(name, name), prefetch, taken.append), taken


async def put(admin, queue: str, *bodies: bytes, **more) -> None:
    for body in bodies:
        await admin.default_exchange.publish(aio_pika.Message(body, **more), queue)


async def test_bodies_of_every_size_pass_both_ways_unchanged(broker, session, admin):
    await admin.declare_queue("q", durable=True, arguments=QUORUM)
    bodies = [bytes((n + 1,)) * size for n, size in enumerate(SIZES)]
    for body in bodies:
        assert await broker.publisher.publish(Publication("", "q", body)) is Published.CONFIRMED
    await put(admin, "q", *bodies)
    _, taken = await consume(session, "q")
    await until(lambda: len(taken) == 2 * len(bodies))
    assert [each.body == body for each, body in zip(taken, bodies * 2, strict=True)] == [True] * len(taken)


async def test_no_more_is_delivered_than_was_asked_for(session, admin):
    queue = await admin.declare_queue("q", durable=True, arguments=QUORUM)
    await put(admin, "q", *(b"%d" % n for n in range(10)))
    _, taken = await consume(session, "q", prefetch=3)
    await until(lambda: len(taken) == 3)
    assert (await queue.declare()).message_count == 7
    await taken[0].receipt.acknowledge()
    await until(lambda: len(taken) == 4)
    assert [each.body for each in taken] == [b"0", b"1", b"2", b"3"]


async def test_what_was_given_back_says_that_it_was_delivered_before(session, admin):
    await admin.declare_queue("q", durable=True, arguments=QUORUM)
    await put(admin, "q", b"x", headers={"n": 1}, message_id="m")
    _, taken = await consume(session, "q")
    await until(lambda: len(taken) == 1)
    await taken[0].receipt.give_back()
    await until(lambda: len(taken) == 2)
    assert [(each.redelivered, each.delivery_count) for each in taken] == [(False, 0), (True, 1)]
    assert taken[1].properties.message_id == "m"


async def test_consumers_of_one_connection_get_their_own(session, admin):
    lanes = {}
    for name in ("a", "b", "c"):
        await admin.declare_queue(name, durable=True, arguments=QUORUM)
        lanes[name] = await consume(session, name)
    for n in range(20):
        for name in lanes:
            await put(admin, name, f"{name}{n}".encode())
    await until(lambda: all(len(taken) == 20 for _, taken in lanes.values()))
    for name, (_, taken) in lanes.items():
        assert [each.body.decode() for each in taken] == [f"{name}{n}" for n in range(20)]


async def test_a_channel_after_a_channel_of_its_number_gets_what_comes(session, admin):
    queue = await admin.declare_queue("q", durable=True, arguments=QUORUM)
    numbers = []
    for n in range(3):
        consumer, taken = await consume(session, "q")
        numbers.append(consumer._underlay.number)
        await put(admin, "q", b"%d" % n)
        await until(lambda taken=taken: len(taken) == 1)
        assert taken[0].body == b"%d" % n
        await taken[0].receipt.acknowledge()
        await consumer.stop()
        await put(admin, "q", b"after")
        await queue.get(no_ack=True)
        await consumer.close()
        assert len(taken) == 1
        assert not consumer.alive
    assert len(set(numbers)) == 1


async def test_what_is_settled_while_the_broker_closes_the_channel_does_not_end_the_connection(session, admin):
    await admin.declare_queue("q", durable=True, arguments=QUORUM)
    await put(admin, "q", *(b"x" for _ in range(300)))
    consumer, taken = await consume(session, "q", prefetch=300)
    await until(lambda: len(taken) == 300)
    consumer._outlet.write(acknowledged(consumer._outlet.number, 10_000))  # no such delivery: the broker closes
    receipts = iter(taken)
    while (receipt := next(receipts).receipt).alive:
        await receipt.acknowledge()
        await asyncio.sleep(0.001)
    for each in receipts:
        await each.receipt.acknowledge()
    assert "PRECONDITION_FAILED" in await session.lost()
    _, again = await consume(session, "q")
    await until(lambda: len(again) > 0)
    assert again[-1].redelivered


async def test_what_is_settled_after_its_lane_was_closed_does_not_end_the_connection(session, admin):
    await admin.declare_queue("q", durable=True, arguments=QUORUM)
    await put(admin, "q", *(b"x" for _ in range(300)))
    consumer, taken = await consume(session, "q", prefetch=300)
    await until(lambda: len(taken) == 300)
    closing = asyncio.create_task(consumer.close())
    for each in taken:
        await each.receipt.acknowledge()
        await asyncio.sleep(0)
    await closing
    _, again = await consume(session, "q")
    await until(lambda: len(again) > 0)


async def test_a_consumer_that_the_broker_cancels_is_a_loss(session, admin):
    queue = await admin.declare_queue("q", durable=True, arguments=QUORUM)
    await consume(session, "q")
    await queue.delete(if_unused=False, if_empty=False)
    assert await session.lost() == "q: consumer cancelled by the broker"


async def test_deliveries_and_confirms_pass_through_tls(amqp_url, admin, tmp_path):
    await admin.declare_queue("q", durable=True, arguments=QUORUM)
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    parts = urlsplit(amqp_url)

    async def pump(reader, writer) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader, writer) -> None:
        inner, outer = await asyncio.open_connection(parts.hostname, parts.port)
        await asyncio.gather(pump(reader, outer), pump(inner, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        netloc = f"{parts.username}:{parts.password}@127.0.0.1:{port}"
        url = f"amqps://{netloc}{parts.path}?cafile={tmp_path / 'ca.pem'}"
        broker = RabbitBroker(Hosts((url,)), "test", SystemClock())
        session = await broker.connect()
        assert await broker.publisher.publish(Publication("", "q", b"y" * (1 << 20))) is Published.CONFIRMED
        _, taken = await consume(session, "q")
        await until(lambda: len(taken) == 1)
        assert taken[0].body == b"y" * (1 << 20)
        await session.close()


async def test_properties_that_are_no_text_are_rejected_and_harm_nobody(amqp_url, tmp_path, caplog):
    async with world(amqp_url, tmp_path / "l.db") as w, w.working() as worker:
        underlay = await w.admin.get_underlay_channel()
        body = orjson.dumps(EXAMPLES["dial"][0])
        told = Basic.Properties(headers={"idempotency-key": "k1", "account": "else"}, message_id="zz")
        publish = Basic.Publish(exchange="callmq.commands", routing_key="dial")
        header = frame.marshal(ContentHeader(body_size=len(body), properties=told), underlay.number)
        pieces = frame.marshal(publish, underlay.number) + header.replace(b"\x02zz", b"\x02\xff\xfe")
        pieces += frame.marshal(ContentBody(body), underlay.number)
        underlay.connection.write_queue.put_nowait(ChannelFrame(pieces, should_close=False))
        reply = await w.reply(None)
        dead = await w.one("callmq.dead")
        await w.client.send(EXAMPLES["dial"][0], key="k2")
        assert (await w.reply("k2"))["outcome"] == "succeeded"
        assert worker.runner.readiness() == (True, {})
    assert (reply["outcome"], reply["problem"]["code"]) == ("rejected", "invalid_header")
    assert "decoded" in reply["problem"]["detail"]
    assert (dead.body, dead.content_type) == (body, UNREADABLE)
    assert w.sandbox.journal.received == 1
    assert "properties that can't be decoded" in caplog.text


async def test_what_was_fetched_stays_so_while_a_queue_is_asked_that_is_not_made_yet(session, admin):
    queue = await admin.declare_queue("a", durable=True, arguments=QUORUM)
    await put(admin, "a", b"1", b"2")
    fetcher = await session.fetcher()
    one, left = await fetcher.fetch(Lane("a", "a"))
    assert (one.body, left) == (b"1", 1)
    assert await fetcher.fetch(Lane("b", "b")) is None
    await admin.declare_queue("b", durable=True, arguments=QUORUM)
    await put(admin, "b", b"3")
    [three, two] = [(await fetcher.fetch(Lane(name, name)))[0] for name in ("b", "a")]
    assert (three.body, two.body) == (b"3", b"2")
    for each in (one, two, three):
        await each.receipt.acknowledge()
    await fetcher.close()
    assert (await queue.declare()).message_count == 0


async def test_a_queue_that_has_gone_ends_the_fetching(session, admin):
    await admin.declare_queue("a", durable=True, arguments=QUORUM)
    fetcher = await session.fetcher()
    assert await fetcher.fetch(Lane("a", "a")) is None
    await admin.queue_delete("a")
    with pytest.raises(BrokerAwayError):
        await fetcher.fetch(Lane("a", "a"))
    await fetcher.close()
