"""Frames of a stream that is cut anywhere: what is waited for is taken, the rest reaches the library unchanged."""

import asyncio

import pytest
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from callmq_worker.adapters.consuming import Deliveries
from callmq_worker.adapters.inlet import Inlet

HEARTBEAT = frame.marshal(Heartbeat(), 0)
OTHERS = [
    frame.marshal(commands.Connection.Blocked(reason="low on memory"), 0),
    frame.marshal(Basic.Deliver(consumer_tag="another", delivery_tag=9, exchange="x", routing_key="k"), 3),
    frame.marshal(ContentHeader(body_size=2), 3),
    frame.marshal(ContentBody(b"no"), 3),
    frame.marshal(commands.Channel.OpenOk(), 4),
]


def delivered(tag: int, *parts: bytes, consumer: str = "mine") -> list[bytes]:
    deliver = Basic.Deliver(consumer_tag=consumer, delivery_tag=tag, exchange="x", routing_key="k", redelivered=tag > 1)
    header = ContentHeader(body_size=sum(map(len, parts)), properties=Basic.Properties(message_id=f"m{tag}"))
    return [frame.marshal(each, 3) for each in (deliver, header, *map(ContentBody, parts))]


class Ends:
    """An inlet, the reader behind it, and what was handed over."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()
        self.inlet = Inlet(self.reader)
        self.taken: list[tuple[int, bool, bytes]] = []
        self.closed = 0
        self.inlet.attend(
            3, Deliveries("mine", lambda c: self.taken.append((c.told.number, c.told.redelivered, c.body)), self.shut)
        )

    def shut(self) -> None:
        self.closed += 1

    async def passed(self) -> bytes:
        """Return what the library reads until the end, without the signs of life."""
        self.inlet.eof_received()
        return (await self.reader.read()).replace(HEARTBEAT, b"")


STREAM = b"".join(
    [OTHERS[0], *delivered(1, b"ab", b"c"), *OTHERS[1:], *delivered(2), *delivered(3, b"d" * 30), OTHERS[0]]
)
TAKEN = [(1, False, b"abc"), (2, True, b""), (3, True, b"d" * 30)]


@pytest.mark.parametrize("cut", range(len(STREAM)))
async def test_a_stream_cut_anywhere(cut):
    ends = Ends()
    for part in filter(None, (STREAM[:cut], STREAM[cut:])):
        ends.inlet.data_received(part)
    assert ends.taken == TAKEN
    assert await ends.passed() == b"".join((*OTHERS, OTHERS[0]))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 50])
async def test_a_stream_in_small_pieces(size):
    ends = Ends()
    for at in range(0, len(STREAM), size):
        ends.inlet.data_received(STREAM[at : at + size])
    assert ends.taken == TAKEN
    assert await ends.passed() == b"".join((*OTHERS, OTHERS[0]))


async def test_a_taker_that_left_is_offered_nothing():
    ends = Ends()
    ends.inlet.data_received(STREAM)
    ends.inlet.leave(3, ends.inlet._takers[3])
    ends.inlet.data_received(b"".join(delivered(4, b"z")))
    assert (await ends.passed()).endswith(b"".join(delivered(4, b"z")))


@pytest.mark.parametrize("pieces", [(8,), (1, 7), (4, 4)])
async def test_another_protocol_is_for_the_library_to_judge(pieces):
    ends = Ends()
    data = b"AMQP\x00\x00\x09\x01"
    for size in pieces:
        ends.inlet.data_received(data[:size])
        data = data[size:]
    ends.inlet.data_received(b"".join(delivered(1, b"a")))
    assert await ends.passed() == b"AMQP\x00\x00\x09\x01" + b"".join(delivered(1, b"a"))
    assert ends.taken == []


async def test_a_frame_with_another_end_is_for_the_library_to_judge():
    ends = Ends()
    first, header, body = delivered(1, b"a")
    ends.inlet.data_received(first + header + body[:-1] + b"\xcd" + HEARTBEAT)
    assert ends.taken == []
    ends.inlet.eof_received()
    assert await ends.reader.read() == body[:-1] + b"\xcd" + HEARTBEAT


async def test_a_stream_that_ends_in_mid_frame_ends_so_for_the_library_too():
    ends = Ends()
    ends.inlet.data_received(OTHERS[0][:-3])
    assert await ends.passed() == OTHERS[0][:-3]


async def test_a_delivery_that_is_never_whole_is_never_handed_over():
    ends = Ends()
    deliver, header, body = delivered(1, b"abc")
    ends.inlet.data_received(deliver + header + body[:-1])
    ends.inlet.eof_received()
    assert ends.taken == []


async def test_a_fault_of_one_delivery_does_not_touch_the_next(caplog):
    ends = Ends()

    def refuse(content):
        if content.told.number == 1:
            raise RuntimeError("no room")
        ends.taken.append((content.told.number, content.told.redelivered, content.body))

    ends.inlet.attend(3, Deliveries("mine", refuse, ends.shut))
    ends.inlet.data_received(b"".join((*delivered(1, b"a"), *delivered(2, b"b"))))
    assert ends.taken == [(2, True, b"b")]
    assert "delivery not taken" in caplog.text


async def test_the_library_sees_a_sign_of_life_at_most_once_a_second():
    ends = Ends()
    seen = []
    for now in (100.0, 100.5, 101.0, 101.9, 102.0):
        ends.inlet._now = lambda now=now: now
        ends.inlet.data_received(b"".join(delivered(1, b"a")))
        seen.append(bytes(ends.reader._buffer).count(HEARTBEAT))
    assert seen == [1, 1, 2, 2, 3]
    assert len(ends.taken) == 5


@pytest.mark.parametrize(
    "close", [commands.Channel.Close(reply_code=404, class_id=0, method_id=0), commands.Channel.CloseOk()]
)
async def test_a_channel_that_closes_is_left(close):
    ends = Ends()
    ends.inlet.data_received(b"".join((*delivered(1, b"a"), frame.marshal(close, 3), *delivered(2, b"b"))))
    assert ends.taken == [(1, False, b"a")]
    assert ends.closed == 1
    assert await ends.passed() == b"".join((frame.marshal(close, 3), *delivered(2, b"b")))


async def test_names_that_are_not_text_are_told_to_be_unreadable():
    ends = Ends()
    told = []
    ends.inlet.attend(3, Deliveries("mine", lambda content: told.append(content.told), ends.shut))
    deliver, header, body = delivered(1, b"a")
    ends.inlet.data_received(deliver[:-2] + b"\xff" + deliver[-1:] + header + body)
    assert [(each.number, each.readable, each.routing_key) for each in told] == [(1, False, "")]
