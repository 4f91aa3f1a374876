import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmq_contracts import EXAMPLE_CALL_ID, EXAMPLES, MAX_BODY_BYTES, ProblemCode, Rejected, decode

END = b'{"command":"calling.end","id":"5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21","params":{}}'
EVENT = b'{"command":"calling.user_event","id":"5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21","params":{"event":{"x":%s}}}'


def event(value: bytes) -> bytes:
    return EVENT % value


def nested(levels: int) -> bytes:
    """Return an event whose body has ``levels`` levels; three are the body, params and event."""
    return event(b"[" * (levels - 3) + b"]" * (levels - 3))


MALFORMED = {
    "nothing": b"",
    "blank": b" \n",
    "bom": b"\xef\xbb\xbf" + END,
    "utf-16": END.decode().encode("utf-16"),
    "nul": END + b"\x00",
    "nul inside": event(b'"\x00"'),
    "invalid utf-8": event(b'"\xff"'),
    "overlong utf-8": event(b'"\xc0\xaf"'),
    "lone surrogate": event(b'"\\ud800"'),
    "lone low surrogate": event(b'"\\udc00"'),
    "surrogate in utf-8": event(b'"\xed\xa0\x80"'),
    "nan": event(b"NaN"),
    "infinity": event(b"Infinity"),
    "minus infinity": event(b"-Infinity"),
    "overflow": event(b"1e999"),
    "long overflow": event(b"9" * 400 + b".0"),
    "two documents": END + END,
    "trailing comma": b'{"command":"calling.end",}',
    "comment": b"// x\n" + END,
    "single quotes": b"{'command':'dial'}",
    "truncated": END[:-1],
    "65 levels": nested(65),
    "1,100 levels": nested(1100),
    "100,000 levels": b"[" * 100_000,
    "100,000 levels of objects": b'{"a":' * 50_000,
    "brackets without end": b"]" * 100_000,
    "escaped quotes without end": b"[[[[[[[[" * 10 + b'"' + b'\\"' * 100_000,
    "escaped quotes, then a newline": b"[" * 80 + b'"' + b'\\"' * 100_000 + b"\\\n",
    "escaped quotes, then a backslash": b"[" * 80 + b'"' + b'\\"' * 100_000 + b"\\",
    "30 digits": event(b"1" * 30),
    "2^64": event(b"18446744073709551616"),
    "-2^63-1": event(b"-9223372036854775809"),
    "250,000 digits": event(b"1" * 250_000),
    "30 digits as a top value": b"1" * 30,
    "30 decimals": event(b"0.123456789012345678901234567890"),
    "30 digits with an exponent": event(b"123456789012345678901234567890e-5"),
    "small exponent": event(b"1e-999"),
    "leading zero": event(b"01"),
    "array": b"[]",
    "null": b"null",
    "text": b'"dial"',
    "number": b"5",
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name):
    decoded = decode(MALFORMED[name])
    assert isinstance(decoded, Rejected)
    assert decoded.problem.code is ProblemCode.MALFORMED
    assert decoded.problem.errors == ()
    assert decoded.command is None
    assert decoded.problem.detail.endswith(".")
    assert len(decoded.problem.detail) < 150


GOOD = {
    "64 levels": nested(64),
    "brackets inside text": event(b'"' + b"[{" * 50_000 + b'"'),
    "escaped quotes and brackets inside text": event(b'"' + rb"\"[\\" * 20_000 + b'"'),
    "many flat lists": event(b"[" + b"[]," * 30_000 + b"0]"),
    "30 digits inside text": event(b'"' + b"1" * 30 + b'"'),
    "30 digits in a key": event(b'{"' + b"1" * 30 + b'":1}'),
    "30 digits after an escape": event(rb'"\"123456789012345678901234567890"'),
    "2^64-1": event(b"18446744073709551615"),
    "-2^63": event(b"-9223372036854775808"),
    "17 digits": event(b"0.10000000000000001"),
    "zero with an exponent": event(b"0e-999"),
    "escaped surrogate pair": event(b'"\\ud83d\\ude00"'),
    "escaped nul": event(b'"\\u0000"'),
    "spaces": b" \n\t" + END + b"\r\n ",
    "longest": event(b'"' + b"x" * (MAX_BODY_BYTES - len(event(b'""'))) + b'"'),
}


@pytest.mark.parametrize("name", GOOD)
def test_well_formed(name):
    decoded = decode(GOOD[name])
    assert not isinstance(decoded, Rejected), decoded.problem
    assert orjson.loads(decoded.wire()) == orjson.loads(GOOD[name])


def test_too_large():
    body = event(b'"' + b"x" * MAX_BODY_BYTES + b'"')
    assert decode(body).problem.code is ProblemCode.TOO_LARGE
    assert decode(b"[" * (MAX_BODY_BYTES + 1)).problem.code is ProblemCode.TOO_LARGE


@pytest.mark.parametrize(
    ("body", "code", "errors"),
    [
        (b"{}", "invalid_params", [("command", "missing")]),
        (b'{"command":null}', "invalid_params", [("command", "wrong_type")]),
        (b'{"command":["dial"]}', "invalid_params", [("command", "wrong_type")]),
        (b'{"command":""}', "unknown_command", []),
        (b'{"command":"Dial","params":{}}', "unknown_command", []),
        (b'{"command":"calling.join_conference","params":{}}', "unknown_command", []),
    ],
)
def test_without_a_known_command(body, code, errors):
    decoded = decode(body)
    assert decoded.command is None
    assert decoded.problem.code.value == code
    assert [(e.path, e.code.value) for e in decoded.problem.errors] == errors


def test_call_id_is_told_where_it_can_be_read(as_bytes):
    upper = EXAMPLE_CALL_ID.upper()
    assert decode(as_bytes({"command": "calling.end", "id": upper})).call_id == EXAMPLE_CALL_ID
    assert decode(as_bytes({"command": "update", "params": {"id": upper}})).call_id == EXAMPLE_CALL_ID
    assert decode(as_bytes({"command": "update", "id": upper, "params": {}})).call_id is None
    assert decode(as_bytes({"command": "calling.end", "id": "x"})).call_id is None
    assert decode(as_bytes({"command": "calling.end", "id": ["x"]})).call_id is None
    assert decode(as_bytes({"command": "update", "params": [upper]})).call_id is None
    assert decode(as_bytes({"command": "calling.end", "id": "x"})).command == "calling.end"


def test_of_a_duplicate_key_the_last_counts():
    body = END.replace(b'"params":{}', b'"params":{"reason":"nonsense"},"params":{"reason":"busy"}')
    assert decode(body).body["params"] == {"reason": "busy"}
    body = END.replace(b'"params":{}', b'"params":{"reason":"busy"},"params":{"reason":"nonsense"}')
    assert isinstance(decode(body), Rejected)


def test_the_call_id_is_lowered_but_sent_as_written(as_bytes):
    decoded = decode(as_bytes({"command": "calling.end", "id": EXAMPLE_CALL_ID.upper(), "params": {}}))
    assert decoded.call_id == EXAMPLE_CALL_ID
    assert decoded.body["id"] == EXAMPLE_CALL_ID.upper()


def test_a_hundred_errors_are_told_of_many(as_bytes):
    body = {"command": "calling.end", "id": EXAMPLE_CALL_ID, "params": {f"k{i}": 1 for i in range(1000)}}
    decoded = decode(as_bytes(body))
    assert [e.path for e in decoded.problem.errors] == [f"params.k{i}" for i in range(100)]
    assert "first 100" in decoded.problem.detail


def test_wide_bodies_are_judged_as_narrow_ones(as_bytes):
    """Keys that every model knows are kept however wide the object is: no key is called missing that is there."""
    body = {"command": "dial", "params": {**{f"k{i}": 1 for i in range(5000)}, **EXAMPLES["dial"][0]["params"]}}
    codes = {e.code.value for e in decode(as_bytes(body)).problem.errors}
    assert codes == {"unknown_key"}
    free = {
        "command": "calling.user_event",
        "id": EXAMPLE_CALL_ID,
        "params": {"event": dict.fromkeys(map(str, range(9000)))},
    }
    assert decode(as_bytes(free)).body == free


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.integers(-(2**63), 2**64 - 1) | FLOATS
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(body):
    assert isinstance(decode(body), Rejected)


@given(JSON)
def test_any_json_is_answered(document):
    assert isinstance(decode(orjson.dumps(document)), Rejected)


@settings(max_examples=300)
@given(command=st.sampled_from(sorted(EXAMPLES)), params=JSON, call_id=JSON)
def test_any_params_are_answered(command, params, call_id):
    decode(orjson.dumps({"command": command, "params": params, "id": call_id}))
    decode(orjson.dumps({"command": command, "params": {"play": params, "action": params, "swml": params}}), key="k")


@settings(max_examples=200)
@given(event=st.dictionaries(st.text(), JSON, max_size=5), spaces=st.sampled_from([None, 2]))
def test_what_is_sent_is_what_was_published(event, spaces):
    body = {"params": {"event": event}, "id": EXAMPLE_CALL_ID, "command": "calling.user_event"}
    published = orjson.dumps(body, option=orjson.OPT_INDENT_2 if spaces else None)
    sent = decode(published).wire()
    assert orjson.loads(sent) == orjson.loads(published)
    assert list(orjson.loads(sent)) == ["params", "id", "command"]
    assert sent == orjson.dumps(orjson.loads(published))


@pytest.mark.parametrize("command", sorted(EXAMPLES))
def test_nothing_is_filled_in_and_no_order_changed(command, as_bytes):
    for body in EXAMPLES[command]:
        turned = {key: body[key] for key in reversed(body)}
        turned["params"] = {key: body["params"][key] for key in reversed(body["params"])}
        assert decode(as_bytes(turned)).wire() == as_bytes(turned)
