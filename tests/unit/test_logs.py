"""Each event is one line, nothing in it may not be seen, and no value makes logging raise."""

import asyncio
import gc
import io
import json
import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

from callmq_worker.adapters import logs
from callmq_worker.adapters.logs import LineHandler, clean, register_secret, setup_logs

NUMBER = "+15551234567"
LOG = logging.getLogger("callmq.test")


@pytest.fixture
def lines(monkeypatch):
    """Set up JSON logs and return what reads them."""
    monkeypatch.setattr(logs, "_secrets", ())
    stream = io.StringIO()
    undo = setup_logs("DEBUG", "json", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    undo()


@pytest.fixture
def text(monkeypatch):
    """Set up plain logs and return what reads them."""
    monkeypatch.setattr(logs, "_secrets", ())
    stream = io.StringIO()
    undo = setup_logs("DEBUG", "text", stream)
    yield stream.getvalue
    undo()


def test_an_event_is_one_json_line(lines):
    LOG.warning("account %s", "paused\nnow", extra={"fields": {"account": "sales", "seconds": 1.5, "to": NUMBER}})
    (event,) = lines()
    assert event.pop("time").endswith("Z")
    assert event == {
        "level": "WARNING",
        "logger": "callmq.test",
        "message": "account paused\nnow",
        "account": "sales",
        "seconds": 1.5,
        "to": "***67",
    }


def test_fields_never_replace_what_every_line_has(lines):
    LOG.info("event", extra={"fields": {"level": "x", "message": "y", "exception": "z"}})
    (event,) = lines()
    assert (event["level"], event["message"], event["level_"], event["message_"]) == ("INFO", "event", "x", "y")
    assert event["exception_"] == "z"


def test_the_running_span_is_named(lines):
    context = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=False)
    with trace.use_span(NonRecordingSpan(context)):
        LOG.info("inside")
    LOG.info("outside")
    inside, outside = lines()
    assert (inside["trace_id"], inside["span_id"]) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert "trace_id" not in outside


def test_an_exception_has_its_stack_and_no_values(lines):
    register_secret("PTcanary-token")

    def fails(password):
        raise ValueError(f"{password} for {NUMBER} at amqp://u:hunter2@h/")

    try:
        try:
            fails("PTcanary-token")
        except ValueError as error:
            raise RuntimeError("not settled") from error
    except RuntimeError:
        LOG.exception("delivery failed")
    (event,) = lines()
    error = event["exception"]
    assert (error["type"], error["message"]) == ("RuntimeError", "not settled")
    assert error["cause"]["message"] == "[redacted] for ***67 at amqp://h/"
    assert error["cause"]["stack"][-1].split(":")[0].endswith("fails")
    assert "raise ValueError" not in json.dumps(event)


def test_groups_and_long_chains_are_bounded(lines):
    error: Exception = ValueError("first")
    for number in range(30):
        follower = RuntimeError(str(number))
        follower.__cause__ = error
        error = follower
    LOG.error("failed", exc_info=ExceptionGroup("several", [error, KeyError(NUMBER)]))
    (event,) = lines()
    assert [member["type"] for member in event["exception"]["members"]] == ["RuntimeError", "KeyError"]
    assert NUMBER not in json.dumps(event)
    assert json.dumps(event).count('"cause"') <= logs.MAX_CHAIN


def test_a_deep_recursion_is_cut(lines):
    def deeper():
        deeper()

    try:
        deeper()
    except RecursionError:
        LOG.exception("too deep")
    (event,) = lines()
    assert len(event["exception"]["stack"]) == logs.MAX_FRAMES + 1


def test_a_text_that_was_cleaned_before_loses_what_is_registered_since(lines):
    for text in ("queue PTlater-canary", "queue PTlater-canary " * 20):
        assert "PTlater-canary" in clean(text)
    register_secret("PTlater-canary")
    for text in ("queue PTlater-canary", "queue PTlater-canary " * 20):
        assert "PTlater-canary" not in clean(text)
    assert clean("to +15551234567") == "to ***67"


def test_registered_secrets_are_taken_out_everywhere(lines):
    register_secret("PTcanary/token")
    register_secret(None)
    register_secret("")
    LOG.info("with %s", "PTcanary/token", extra={"fields": {"PTcanary/token": ["x PTcanary%2Ftoken"]}})
    (event,) = lines()
    assert "canary" not in json.dumps(event)


class Hostile:
    def __str__(self):
        raise RuntimeError("no")


class HostileError(Exception):
    def __str__(self):
        raise RuntimeError("no")


def record(message, *arguments, error=None, **known):
    told = (type(error), error, None) if error else None
    made = logging.LogRecord("callmq.test", logging.INFO, "", 0, message, arguments, told)
    vars(made).update(known)
    return made


def written(form, *records):
    """Return what the handler writes; past pytest's own handler, which raises at odd values."""
    stream = io.StringIO()
    handler = LineHandler(stream)
    handler.setFormatter(logs.JsonLine() if form == "json" else logs.TextLine())
    for each in records:
        handler.handle(each)
    return stream.getvalue().splitlines()


def test_odd_values_do_not_raise():
    loop: dict[str, object] = {}
    loop["again"] = loop
    odd = {"a": Hostile(), "b": loop, "c": float("nan"), "d": b"x", "e": "\ud800"}
    records = [
        record("%d and %s", "no number"),
        record("%s", Hostile()),
        record(Hostile()),
        record("odd", fields=odd),
        record("fields are text", fields="text"),
        record("unreadable", error=HostileError()),
    ]
    events = [json.loads(line) for line in written("json", *records)]
    assert [event["message"] for event in events] == [
        "%d and %s [arguments unreadable]",
        "%s [arguments unreadable]",
        "[Hostile] [arguments unreadable]",
        "odd",
        "fields are text",
        "unreadable",
    ]
    assert (events[3]["a"], events[3]["c"], events[3]["d"]) == ("[Hostile]", "nan", "[1 bytes]")
    assert events[4]["fields"] == "text"
    assert events[5]["exception"]["message"] == "[unreadable]"


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(max_size=9) | st.builds(Hostile),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.none(), inner),
    max_leaves=20,
)


@given(st.text(), JSON_LIKE)
def test_any_value_is_one_line_in_both_forms(message, value):
    for form in ("json", "text"):
        assert len(written(form, record(message, fields={"value": value}))) == 1


def test_a_broken_stream_raises_nothing_and_prints_nothing(capsys):
    stream = io.StringIO()
    undo = setup_logs("INFO", "json", stream)
    stream.close()
    LOG.info("to %s", NUMBER)
    undo()
    assert capsys.readouterr() == ("", "")


def test_the_plain_form(text):
    LOG.warning("ledger\x1b[31m away", extra={"fields": {"seconds": 5, "reason": "disk full\nreally"}})
    try:
        int(NUMBER + "x")
    except ValueError:
        LOG.exception("failed")
    first, second, *stack = text().splitlines()
    assert first[12:] == ' WARNING  callmq.test: ledger\\x1b[31m away  seconds=5  reason="disk full\\nreally"'
    assert second.endswith("ERROR    callmq.test: failed")
    assert stack[0] == "  ValueError: invalid literal for int() with base 10: '***67x'"
    assert stack[1].startswith("    at ")


def test_a_terminal_gets_text_and_a_pipe_json(monkeypatch):
    monkeypatch.delenv("CALLMQ_LOG_FORMAT", raising=False)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stream, said, is_json in (
        (Terminal(), None, False),
        (io.StringIO(), None, True),
        (Terminal(), "json", True),
        (io.StringIO(), "text", False),
        (Terminal(), "auto", False),
    ):
        if said:
            monkeypatch.setenv("CALLMQ_LOG_FORMAT", said)
        undo = setup_logs("INFO", None, stream)
        LOG.info("event")
        undo()
        assert stream.getvalue().startswith("{") is is_json


@pytest.mark.parametrize(("level", "form", "said"), [("LOUD", None, ""), ("INFO", "xml", ""), ("INFO", None, "xml")])
def test_wrong_settings_are_named(monkeypatch, level, form, said):
    monkeypatch.setenv("CALLMQ_LOG_FORMAT", said)
    with pytest.raises(ValueError, match="must be"):
        setup_logs(level, form, io.StringIO())


def test_third_parties_are_quiet_and_masked(lines):
    logging.getLogger("httpx").info("HTTP Request: POST https://p:hunter2@h/ 200")
    logging.getLogger("aio_pika.robust_connection").warning("lost amqp://u:hunter2@h:5672/ now")
    (event,) = lines()
    assert event["message"] == "lost amqp://h:5672/ now"


async def test_an_exception_nobody_awaited_comes_through_here(lines):
    async def fails():
        raise ValueError(f"call {NUMBER}")

    task = asyncio.create_task(fails())
    await asyncio.wait([task])
    del task
    gc.collect()
    (event,) = lines()
    assert event["logger"] == "asyncio"
    assert event["message"].startswith("Task exception was never retrieved")
    assert event["exception"]["message"] == "call ***67"
    assert NUMBER not in json.dumps(event)


def test_threads_and_the_unraisable_come_through_here(lines):
    def fails():
        raise ValueError(NUMBER)

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()

    class Dies:
        def __del__(self):
            raise ValueError(NUMBER)

    Dies()
    gc.collect()
    events = lines()
    assert {event["message"].split(",")[0].split(":")[0] for event in events} >= {"uncaught exception in a thread"}
    assert [e["exception"]["message"] for e in events if "exception" in e] == ["***67", "***67"]
    assert NUMBER not in json.dumps(events)
