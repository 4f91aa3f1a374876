"""Our decoder and encoder against the library's, byte for byte."""

import datetime as dt
import decimal
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from callmq_worker.adapters import frames
from callmq_worker.adapters.decoding import UnreadableError, body_size, properties, properties_of
from callmq_worker.core.publications import Publication

SHORT = st.text(max_size=60).filter(lambda text: len(text.encode()) <= 255)
NAMES = st.text(max_size=30).filter(lambda text: len(text.encode()) <= 128)
MOMENTS = st.datetimes(dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)).map(  # noqa: DTZ001 - the zone is put behind
    lambda moment: moment.replace(microsecond=0, tzinfo=dt.UTC)
)
PLAIN = (
    st.text()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(width=32)
    | st.none()
    | MOMENTS
    | st.decimals(-1000, 1000, places=3)
    | st.binary(max_size=20).map(bytearray)
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
TABLES = st.dictionaries(NAMES, VALUES, max_size=6)
TOLD = st.builds(
    Basic.Properties,
    content_type=st.none() | SHORT,
    content_encoding=st.none() | SHORT,
    headers=st.none() | TABLES,
    delivery_mode=st.sampled_from([None, 1, 2]),
    priority=st.none() | st.integers(0, 255),
    correlation_id=st.none() | SHORT,
    reply_to=st.none() | SHORT,
    expiration=st.none() | SHORT | st.integers(0, 10**12).map(str),
    message_id=st.none() | SHORT,
    timestamp=st.none() | MOMENTS,
    message_type=st.none() | SHORT,
    user_id=st.none() | SHORT,
    app_id=st.none() | SHORT,
)
PUBLICATIONS = st.builds(
    Publication,
    exchange=SHORT,
    routing_key=SHORT,
    body=st.binary(max_size=200),
    headers=TABLES.map(lambda table: dict(sorted(table.items()))),  # the library sorts them
    mandatory=st.booleans(),
    content_type=st.none() | SHORT,
    correlation_id=st.none() | SHORT,
    type=st.none() | SHORT,
    app_id=st.none() | SHORT,
    reply_to=st.none() | SHORT,
    timestamp=st.none() | st.integers(0, 2**32).map(float),
    user_id=st.none() | SHORT,
)


SIZES = {"t": 1, "b": 1, "B": 1, "s": 2, "u": 2, "I": 4, "i": 4, "l": 8, "L": 8, "f": 4, "d": 8, "D": 5, "T": 8, "V": 0}
FIXED = st.sampled_from([*SIZES.items(), ("\0", 0)]).flatmap(
    lambda kind: st.binary(min_size=kind[1], max_size=kind[1]).map(lambda value: kind[0].encode() + value)
)
TEXT = st.builds(
    lambda kind, text: kind + struct.pack(">I", len(text)) + text, st.sampled_from([b"S", b"x"]), st.binary(max_size=20)
)


def by_library(header: bytes):
    read = ContentHeader()
    read.unmarshal(header)
    return properties_of("key", read.properties)


def header_of(fields: bytes) -> bytes:
    """Return a content header with these bytes as its table, and a message id behind."""
    return struct.pack(">HHQHI", 60, 0, 5, 1 << 13 | 1 << 7, len(fields)) + fields + b"\x02id"


@given(TOLD, st.integers(0, 2**63))
def test_properties_are_read_as_the_library_reads_them(told, size):
    header = ContentHeader(body_size=size, properties=told).marshal()
    assert body_size(header) == size
    assert repr(properties("key", header)) == repr(by_library(header))


@given(st.lists(FIXED | TEXT, max_size=6))
def test_every_type_of_header_is_read_as_the_library_reads_it(values):
    header = header_of(b"".join(b"\x02h" + bytes((48 + n,)) + value for n, value in enumerate(values)))
    read = properties("key", header)
    assert repr(read) == repr(by_library(header))
    assert len(read.headers) == len(values)


@given(st.integers(0, 2**64 - 1))
def test_every_timestamp_is_read_as_the_library_reads_it(count):
    header = struct.pack(">HHQHQ", 60, 0, 0, 1 << 6, count)
    assert properties("key", header) == by_library(header)


def test_flags_of_two_words_are_read_by_the_library():
    header = struct.pack(">HHQHH", 60, 0, 0, 1 << 7 | 1, 0) + b"\x02id"
    assert properties("key", header).message_id == "id"


@pytest.mark.parametrize(
    "fields",
    [
        b"\x01aZ",
        b"\x01\xffV",
        b"\x01a",
        b"\x05aV",
        b"\x01aS\x00\x00\x00\x09x",
        b"\x01aI\x00",
        b"\x01aA\x00\x00\x00\x09x",
        b"\x01a" + b"".join(b"A" + struct.pack(">I", 5 * left) for left in reversed(range(3000))),
    ],
    ids=["unknown type", "name", "no type", "long name", "long text", "short number", "long array", "deep"],
)
def test_a_table_that_lies_is_unreadable(fields):
    with pytest.raises(UnreadableError):
        properties("key", header_of(fields))


def test_a_text_that_is_not_utf_8_is_unreadable():
    with pytest.raises(UnreadableError):
        properties("key", struct.pack(">HHQH", 60, 0, 0, 1 << 7) + b"\x02\xff\xfe")


def test_properties_that_are_cut_off_are_unreadable():
    told = Basic.Properties(content_type="application/json", headers={"account": "a", "n": 1, "x": [1]}, app_id="me")
    header = ContentHeader(properties=told).marshal()
    for end in range(len(header)):
        with pytest.raises(UnreadableError):
            properties("key", header[:end])


@given(PUBLICATIONS, st.integers(9, 64))
def test_a_publication_is_written_as_the_library_writes_it(publication, largest):
    p = publication
    timestamp = None if p.timestamp is None else dt.datetime.fromtimestamp(p.timestamp, dt.UTC)
    told = Basic.Properties(
        content_type=p.content_type,
        headers=dict(p.headers) or None,
        delivery_mode=2,
        correlation_id=p.correlation_id,
        reply_to=p.reply_to,
        message_id="id",
        timestamp=timestamp,
        message_type=p.type,
        app_id=p.app_id,
        user_id=p.user_id,
    )
    publish = Basic.Publish(exchange="x", routing_key=p.routing_key, mandatory=p.mandatory)
    parts = [p.body[at : at + largest - 8] for at in range(0, len(p.body), largest - 8)]
    written = [publish, ContentHeader(body_size=len(p.body), properties=told), *map(ContentBody, parts)]
    expected = b"".join(frame.marshal(each, 7) for each in written)
    assert frames.publication(p._replace(exchange="x"), "id", 7, largest) == expected


@given(st.integers(0, 2**63 - 1), st.integers(1, 65535))
def test_the_end_of_a_delivery_is_written_as_the_library_writes_it(tag, channel):
    assert frames.acknowledged(channel, tag) == frame.marshal(Basic.Ack(delivery_tag=tag), channel)
    assert frames.given_back(channel, tag) == frame.marshal(Basic.Nack(delivery_tag=tag, requeue=True), channel)


def test_a_decimal_of_many_places_is_read():
    header = header_of(b"\x01aD\xff\x00\x00\x00\x01")
    assert properties("key", header).headers["a"] == decimal.Decimal(10) ** -255
