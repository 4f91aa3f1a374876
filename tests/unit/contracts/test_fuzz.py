"""Bad bytes: good bodies broken in every way that was ever listed, several at once. None raises, none is kept."""

import gc
import tracemalloc

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callmq_contracts import EXAMPLES, MAX_BODY_BYTES, Command, FieldCode, ProblemCode, Rejected, decode
from callmq_contracts.extra import parse_extra_commands

EXTRA = parse_extra_commands("calling.new_thing=30s")
NEW = {"command": "calling.new_thing", "params": {"a": [1, 2.5, {"b": None}]}}
BODIES = [orjson.dumps(body) for bodies in EXAMPLES.values() for body in (*bodies, NEW)]
MOST_BYTES_OF_A_PROBLEM = 64 * 1024

# What stands in the place of a value, or somewhere at all.
ODD = {
    "nothing": b"",
    "bom": b"\xef\xbb\xbf",
    "utf-16 bom": b"\xff\xfe",
    "nul": b"\x00",
    "escaped nul": b'"\\u0000"',
    "invalid utf-8": b'"\xff\xfe"',
    "overlong utf-8": b'"\xc0\xaf"',
    "cut utf-8": b'"\xf0\x9f\x98"',
    "lone surrogate": b'"\\ud800"',
    "lone low surrogate": b'"\\udc00x"',
    "surrogate in utf-8": b'"\xed\xa0\x80"',
    "nan": b"NaN",
    "infinity": b"-Infinity",
    "overflow": b"1e999",
    "minus overflow": b"-1e999",
    "underflow": b"1e-999",
    "minus nothing": b"-0.0",
    "30 digits": b"1" * 30,
    "minus 30 digits": b"-" + b"9" * 30,
    "2^64": b"18446744073709551616",
    "2^63": b"9223372036854775808",
    "leading zero": b"007",
    "hexadecimal": b"0x1f",
    "depth 65": b"[" * 65 + b"]" * 65,
    "depth 62": b'{"a":' * 62 + b"1" + b"}" * 62,
    "depth 100,000": b"[" * 100_000,
    "depth 100,000, closed": b"[" * 100_000 + b"]" * 100_000,
    "20,000 keys": b"{" + b",".join(b'"k%d":1' % i for i in range(20_000)) + b"}",
    "a million keys": b"{" + b",".join(b'"k%d":1' % i for i in range(1_000_000)) + b"}",
    "the same key 20,000 times": b"{" + b'"params":{},' * 20_000 + b'"id":1}',
    "huge string": b'"' + b"x" * 200_000 + b'"',
    "too huge string": b'"' + b"x" * MAX_BODY_BYTES + b'"',
    "escapes without end": b'"' + b'\\"' * 90_000,
    "huge key": b'{"' + b"k" * 100_000 + b'":1}',
    "120,000 items": b"[" + b"1," * 119_999 + b"1]",
    "80,000 objects": b"[" + b"{}," * 79_999 + b"{}]",
    "null": b"null",
    "true": b"true",
    "number": b"7",
    "half": b"0.5",
    "text": b'"x"',
    "empty text": b'""',
    "empty list": b"[]",
    "empty object": b"{}",
    "tag of a union": b'{"type":"<?>","<text>":1}',
    "id twice": b'"x","id":"y"',
}  # fmt: skip


def values(body: bytes) -> list[bytes]:
    """Return every value of a body, as it is written there."""
    found: list[bytes] = []

    def walk(value: object) -> None:
        found.append(orjson.dumps(value))
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    walk(orjson.loads(body))
    return found


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Draw a body with one to three things wrong."""
    body = draw(st.sampled_from(BODIES))
    parts = values(body)
    for _ in range(draw(st.integers(1, 3))):
        odd = ODD[draw(st.sampled_from(sorted(ODD)))]
        at = draw(st.integers(0, len(body)))
        match draw(st.sampled_from(["value", "value", "value", "insert", "cut", "truncate", "double", "byte", "swap"])):
            case "value":
                body = body.replace(draw(st.sampled_from(parts)), odd, 1)
            case "insert":
                body = body[:at] + odd + body[at:]
            case "cut":
                body = body[:at] + body[at + draw(st.integers(1, 40)) :]
            case "truncate":
                body = body[:at]
            case "double":
                body = body[:at] + body[max(0, at - draw(st.integers(1, 40))) :]
            case "byte":
                body = body[:at] + draw(st.binary(min_size=1, max_size=2)) + body[at + 1 :]
            case "swap":
                body = body.replace(*draw(st.permutations(parts))[:2], 1) if len(parts) > 1 else body
    return body


def check(body: bytes, key: str | None) -> Command | Rejected:
    decoded = decode(body, key=key, extra=EXTRA)
    match decoded:
        case Command():
            assert len(decoded.fingerprint(b"secret")) == 32
            assert decoded.lifetime > 0
            sent = decoded.wire()
            if len(sent) <= MAX_BODY_BYTES:
                again = decode(sent, leniencies=frozenset({"update_status_only"}), extra=EXTRA)
                assert isinstance(again, Command), again
                assert again.body == decoded.body
        case Rejected():
            told = orjson.dumps(decoded.problem.as_dict())
            assert len(told) < MOST_BYTES_OF_A_PROBLEM
            assert decoded.problem.code in ProblemCode
            assert all(error.code in FieldCode for error in decoded.problem.errors)
            assert (decoded.problem.code is ProblemCode.INVALID_PARAMS) == bool(decoded.problem.errors)
    return decoded


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(broken(), st.sampled_from([None, "key"]))
def test_broken_bodies_end_in_a_command_or_a_problem(body, key):
    check(body, key)


@pytest.mark.parametrize("name", ODD)
def test_each_oddity_in_each_place_of_a_body(name):
    """In place of the whole, of the command, the id, the params and each of their values; nothing random."""
    body = BODIES[0]
    check(ODD[name], None)
    for part in values(body):
        check(body.replace(part, ODD[name], 1), "k")


def test_nothing_is_kept_of_what_was_refused():
    """Memory is flat: hundreds of bad bodies leave less behind than one of them is long."""
    bodies = [BODIES[0].replace(b'"to"', b'"to":' + odd + b',"to2"') for odd in ODD.values()]
    bodies += [BODIES[0].replace(b'"+', odd + b'"+') for odd in ODD.values()]

    def one_round() -> int:
        for body in bodies:
            decode(body, key="k", extra=EXTRA)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        one_round()  # pydantic and the interpreter make some things once
        before = one_round()
        after = [one_round() for _ in range(4)][-1]
    finally:
        tracemalloc.stop()
    assert after - before < 16 * 1024
