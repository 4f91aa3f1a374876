"""What comes back to the dispatcher, on real sockets: whole, broken, late, huge, or never."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import tracemalloc
from email.utils import format_datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_contracts.reply import OutcomeName, Reply
from callmq_worker.adapters.http import MAX_ANSWER_BYTES, parse_retry_after
from callmq_worker.core.outcome import Answered, NoAnswer
from endpoints import DONE, OK, Connection, Endpoint, Gate, answering, dispatching, order, serving

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
NOW = 1_800_000_000.0


async def asked(act, **changes):
    """Return what one dispatch to such an endpoint gives. ``leave`` is asked once, whatever happens."""
    gate = Gate()
    async with Endpoint(act) as endpoint, dispatching(endpoint.url) as dispatcher:
        answer = await dispatcher.dispatch(order(**changes), gate)
    assert gate.asked == 1
    return answer


def with_length(body: bytes, head: bytes = HEAD, *, claimed: int | None = None) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % (len(body) if claimed is None else claimed) + body


# No whole head came back: it may have been done


async def read_and_reset(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def reset_unread(connection: Connection) -> None:
    connection.reset()


async def close_unread(connection: Connection) -> None:
    connection.writer.close()


BROKEN = {
    "reset unread": reset_unread,
    "closed unread": close_unread,
    "reset after reading": read_and_reset,
    "closed after reading": answering(b""),
    "half a head": answering(HEAD),
    "half a line": answering(b"HTTP/1.1 200"),
    "no http": answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "no number": answering(b"HTTP/1.1 abc OK\r\n\r\n"),
    "two lengths": answering(HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}"),
    "length is no number": answering(HEAD + b"Content-Length: five\r\n\r\n{}"),
    "a head without end": answering(HEAD + b"X: " + b"y" * 300_000),
    "only interim": answering(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
}


@pytest.mark.parametrize("act", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "reused"])
async def test_without_a_whole_head_it_may_have_been_done(act, fresh):
    assert isinstance(await asked(act, fresh=fresh), NoAnswer)


async def drip(connection: Connection) -> None:
    await connection.request()
    await connection.send(HEAD)
    while True:
        await connection.send(b"X-Drip: drop\r\n")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("act", [Connection.end, drip], ids=["silence", "a head that drips"])
async def test_a_deadline_is_for_all_of_it(act):
    assert await asked(act, deadline=0.3) == NoAnswer("no answer in time")


# The head came back: it was answered, whatever happens to the body


async def drip_body(connection: Connection) -> None:
    await connection.request()
    await connection.send(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        await connection.send(b" ")
        await asyncio.sleep(0.02)


async def reset_after_head(connection: Connection) -> None:
    await connection.request()
    await connection.send(with_length(b"{", claimed=10))
    await connection.reader.read(0)
    connection.reset()


async def endless(connection: Connection) -> None:
    await connection.request()
    await connection.send(HEAD + b"Content-Length: 1000000000000\r\n\r\n")
    while True:
        await connection.send(b" " * 65_536)


CUT = {
    "half a body": answering(with_length(b'{"id"', claimed=100)),
    "no body": answering(with_length(b"", claimed=100)),
    "a broken chunk": answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n"),
    "half the chunks": answering(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
    "a drip until the deadline": drip_body,
    "an endless body": endless,
    "gzip, though unasked": answering(with_length(gzip.compress(b"{}"), HEAD + b"Content-Encoding: gzip\r\n")),
    "an encoding of its own": answering(with_length(b"{}", HEAD + b"Content-Encoding: x-odd\r\n")),
}


@pytest.mark.parametrize("act", CUT.values(), ids=CUT)
async def test_a_body_that_can_not_be_read_to_its_end_changes_nothing_else(act):
    assert await asked(act, deadline=1.0) == Answered(200, None, None, whole=False)


async def test_a_reset_after_the_head_is_an_answer_or_none_but_never_unsent():
    answer = await asked(reset_after_head)  # the kernel may throw away what was received before the reset
    assert answer == Answered(200, None, None, whole=False) or isinstance(answer, NoAnswer)


READ = {
    "json": (with_length(b'{"id": "a"}'), DONE),
    "until the end of the connection": (HEAD + b'\r\n{"id": "a"}', DONE),
    "chunks": (HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n6\r\n: "a"}\r\n0\r\n\r\n', DONE),
    "http 1.0": (with_length(b'{"id": "a"}', HEAD.replace(b"1.1", b"1.0")), DONE),
    "hints before": (b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, DONE),
    "continue before": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, DONE),
    "more after": (OK + OK, DONE),
    "identity": (with_length(b"[1]", HEAD + b"Content-Encoding: identity\r\n"), [1]),
    "any type": (with_length(b"[1]", HEAD.replace(b"application/json", b"text/html")), [1]),
    "html": (with_length(b"<html>"), None),
    "empty": (with_length(b""), None),
    "not utf-8": (with_length(b'"\xff"'), None),
    "nan": (with_length(b"[NaN]"), None),
    "the largest": (with_length(b'"' + b"x" * (MAX_ANSWER_BYTES - 2) + b'"'), "x" * (MAX_ANSWER_BYTES - 2)),
    "nested": (with_length(b"[" * 150 + b"]" * 150), orjson.loads(b"[" * 150 + b"]" * 150)),
    "too deep to say again": (with_length(b"[" * 300 + b"]" * 300), None),
    "deeper still": (with_length(b'{"a":' * 260 + b"1" + b"}" * 260), None),
    "too deep to read": (with_length(b"[" * 100_000 + b"]" * 100_000), None),
    "wide": (with_length(orjson.dumps([[]] * 5000)), [[]] * 5000),
}


@pytest.mark.parametrize(("answer", "document"), READ.values(), ids=READ)
async def test_a_body_is_read(answer, document):
    assert await asked(answering(answer)) == Answered(200, document)
    reply = Reply("r", "k", "dial", OutcomeName.SUCCEEDED, 0, 0, response=document)
    assert orjson.loads(reply.dump())["response"] == document


async def test_one_byte_more_than_the_largest_is_cut():
    body = b'"' + b"x" * (MAX_ANSWER_BYTES - 1) + b'"'
    assert await asked(answering(with_length(body))) == Answered(200, None, None, whole=False)


async def test_a_bomb_is_not_inflated():
    bomb = gzip.compress(b"0" * (100 << 20))
    answer = with_length(bomb, HEAD + b"Content-Encoding: gzip\r\n")
    tracemalloc.start()
    try:
        assert await asked(answering(answer)) == Answered(200, None, None, whole=False)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


async def test_an_answer_before_the_request_was_read_counts():
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    answer = await asked(lambda c: c.send(refusal), body=b"x" * 100)
    assert answer == Answered(413) or isinstance(answer, NoAnswer)  # an unread request makes the close a reset


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_a_redirect_is_answered_and_not_followed(status):
    async with Endpoint(serving) as other:
        moved = b"HTTP/1.1 %d Moved\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % (status, other.url.encode())
        assert await asked(answering(moved)) == Answered(status)
    assert other.connections == []


# Retry-After


def http_date(seconds: float) -> str:
    return format_datetime(dt.datetime.fromtimestamp(NOW + seconds, dt.UTC), usegmt=True)


TEN_YEARS = 315_360_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None), ("", None),
        ("soon", None), ("-5", None), ("1.5", None), ("+5", None), ("5s", None), ("0x5", None),
        ("\u0665", None), ("5, 7", None), ("0", 0), ("7", 7), (" 7 ", 7), ("007", 7), ("0" * 20 + "60", 60),
        (str(TEN_YEARS), TEN_YEARS), ("9" * 400, 1e9), (http_date(90), 90), (http_date(-90), 0),
        (http_date(TEN_YEARS), TEN_YEARS), ("Fri, 32 Jan 2027 08:00:00 GMT", None), ("Fri, 15 Jan 2027", None),
        ("Friday, 15-Jan-27 08:01:30 GMT", 90), ("Fri Jan 15 08:01:30 2027", 90), ("Fri, 15 Jan 2027 08:01:30", 90),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland"])
def test_retry_after_is_seconds_or_a_date_and_never_earlier_than_told(text, seconds, zone, monkeypatch):
    monkeypatch.setenv("TZ", zone)
    __import__("time").tzset()
    try:
        assert parse_retry_after(text, NOW) == seconds
    finally:
        monkeypatch.undo()
        __import__("time").tzset()


@given(st.text() | st.text(alphabet="0123456789 ,:-+GMTZJanFebSun()"))
def test_no_retry_after_raises(text):
    found = parse_retry_after(text, NOW)
    assert found is None or found >= 0


async def test_retry_after_comes_with_the_answer():
    answer = b"HTTP/1.1 503 Later\r\nContent-Length: 2\r\nRetry-After: 17\r\n\r\n{}"
    assert await asked(answering(answer)) == Answered(503, {}, 17.0)


@pytest.mark.parametrize("status", [200, 429])
async def test_limit_headers_come_with_the_answer(status):
    limits = b"X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 9\r\n"
    answer = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n%s\r\n{}" % (status, limits)
    assert await asked(answering(answer)) == Answered(status, {}, used_up_for=9.0)
