"""A number is sent as it was published, or it is refused: never a little different."""

import json
import sys
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callmq_contracts import EXAMPLE_CALL_ID, EXAMPLES, Command, ProblemCode, decode
from unit.contracts.literals import LITERALS, arrives, digits_of, number_places, some_literals, written

EVENT = {"command": "calling.user_event", "id": EXAMPLE_CALL_ID, "params": {"event": {"x": [1, "9e-999"]}}}
HOLD = {"command": "calling.ai_hold", "id": EXAMPLE_CALL_ID, "params": {"timeout": 1}}
PLACE = ("params", "event", "x", 0)
FORMS = ("r", ".16e", ".17g", ".20e", ".30f", ".400f")
ALL = (*LITERALS, *some_literals(3000))


def sent_number(decoded: Command) -> str:
    """Return the literal that is sent, as it is written there."""
    return json.loads(decoded.wire(), parse_float=str, parse_int=str)["params"]["event"]["x"][0]


@pytest.mark.parametrize("literal", LITERALS)
def test_a_number_arrives_or_is_refused(literal):
    check(literal)


def test_so_do_many_others():
    verdicts = [check(literal) for literal in ALL]
    assert 0.2 < sum(verdicts) / len(verdicts) < 0.8


def check(literal: str) -> bool:
    text = written(EVENT, PLACE, literal)
    decoded = decode(text)
    # Blanks elsewhere change nothing: a compact body is as it would be sent, and judged another way.
    assert isinstance(decoded, Command) == isinstance(decode(text.replace(b" ", b"")), Command)
    if not arrives(literal):
        assert decoded.problem.code is ProblemCode.MALFORMED
        assert "number" in decoded.problem.detail
        return False
    sent = sent_number(decoded)
    if "." in literal or "e" in literal.lower():
        assert float(sent).hex() == float(literal).hex()
    else:
        assert int(sent) == int(literal)
    return True


@settings(max_examples=500)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(FORMS))
@example(5e-324, ".400f")
@example(sys.float_info.min, "r")
@example(1e23, ".30f")
def test_every_way_to_write_a_double_is_taken(number, form):
    """Python, JavaScript, C and PHP write different digits of one double: none of them lost anything."""
    literal = repr(number) if form == "r" else f"{number:{form}}"
    if "." not in literal and "e" not in literal:
        literal += ".0"
    if float(literal) == number:  # not where the form itself has cut the digits
        decoded = decode(written(EVENT, PLACE, literal))
        assert float(sent_number(decoded)).hex() == number.hex()


@settings(max_examples=500)
@given(
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: not x.is_integer()),
    st.sampled_from((15, 16)),
    st.integers(-60, 60),
)
@example(141.27156320378684, 16, 0)
def test_any_seventeen_digits_that_name_a_double_are_taken(number, places, away):
    """RapidJSON and Java up to 18 print digits that name the double and are not the nearest ones."""
    text = f"{number:.{places}e}"
    mantissa, exponent = text.split("e")
    literal = str(Decimal(mantissa) + away * Decimal(10) ** -places) + "e" + exponent
    if float(literal) == number:
        assert float(sent_number(decode(written(EVENT, PLACE, literal)))).hex() == number.hex()


@pytest.mark.parametrize(
    ("literal", "advice"),
    [
        ("18446744073709551616", "as text"),
        ("9007199254740993.0", "as text, or with at most 15 digits"),
        ("1764000000.123456789", "as text, or with at most 17 digits"),
        ("1e-400", "as text, or write 0"),
    ],
)
def test_what_to_write_instead_is_said(literal, advice):
    assert f"write it {advice} (line 1" in decode(written(EVENT, PLACE, literal)).problem.detail


@pytest.mark.parametrize("literal", LITERALS)
def test_hold_seconds_become_the_text_of_the_same_number(literal):
    decoded = decode(written(HOLD, ("params", "timeout"), literal))
    if isinstance(decoded, Command):
        assert decoded.leniencies == ("ai_hold_timeout_integer",)
        assert decoded.body["params"]["timeout"].isdigit()
        assert arrives(literal)
        assert Fraction(decoded.body["params"]["timeout"]) == (Fraction(literal) if digits_of(literal) else 0)


def test_where_the_number_is_is_said():
    text = b'{"command":"dial",\n "x1":"1e-400", "params":{"timeout": 1e-400}}'
    assert decode(text).problem.detail.endswith("(line 2, column 38).")
    assert decode(text.replace(b" 1e-400}", b" 18446744073709551616}")).problem.detail.endswith("(line 2, column 38).")


def test_digits_in_texts_are_no_numbers():
    for bodies in EXAMPLES.values():
        for body in bodies:
            for path in number_places(body):
                for text in ('"1e-400"', '"0.12345678901234567890123"', r'"\"1e-400"', f'"{"9" * 40}"'):
                    decoded = decode(written(body, path, text))
                    assert isinstance(decoded, Command) or decoded.problem.code is not ProblemCode.MALFORMED
