"""Numbers as they are written in JSON: each literal in each place of an example, on the raw text."""

import json
import random
import sys
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from unit.contracts.mutations import find, mutated, places

MARK = "\ue000"
SEED = 20260821
MOST_DIGITS = 17  # RapidJSON and Java up to 18 print so many, and not always the nearest ones
LITERALS = (
    *("0", "-0", "1", "-1", "7", "20", "30", "600", "0.0", "-0.0", "0e0", "0e-999", "0.0e99999999999999999999"),
    *("1.0", "1.00000000000000000000000", "1E0", "1e+0", "10e-1", "100e-2", "0.1e1", "2.0e1", "1e2", "1E2", "60.0"),
    *("0.1", "0.10000000000000001", "0.1000000000000000055511151231257827", "0.30000000000000004", "0.123456789012345"),
    *("0.1234567890123456789", "0.123456789012345678901234567890", "123456789012345678901234567890e-5", "1e-5"),
    *("1e-400", "-1e-400", "1e-324", "3e-324", "5e-324", "4.9e-324", "1.2345678901234567e-310", "1e-307"),
    *("2.2250738585072014e-308", "1e-99999999999999999999", "0." + "0" * 400 + "1", "1e22", "1e23", "1.5e300"),
    *("9007199254740991", "9007199254740992.0", "9007199254740993", "9007199254740993.0", "9007199254740993e0"),
    *("141.27156320378684", "1061.3728999999999", "2.0000000000000002e-3", "1764000000.123456789"),
    *("9007199254740994.0", "12345678901234567e3", "1.2345678901234567e19", "1e19", "100000000000000000000000.0"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551615.0"),
    *("-9223372036854775808", "-9223372036854775809", "18446744073709551616", "18446744073709551616.0", "1" * 30),
    *(
        "1.7976931348623157e308",
        "1.79769313486231580e308",
        "0.99999999999999999",
        "600.00000000000001",
        "-0.00000000001",
    ),
)


def some_literals(count: int) -> Iterator[str]:
    """Yield literals by chance: digits, a point somewhere, an exponent somewhere near the ends of what a double is."""
    chance = random.Random(SEED)
    for _ in range(count):
        digits = str(chance.randrange(10 ** chance.randrange(1, 25)))
        point = chance.randrange(len(digits) + 1)
        number = f"{digits[:point].lstrip('0') or '0'}.{digits[point:] or '0'}" if chance.random() < 0.8 else digits
        exponent = chance.choice(("", "", "e5", "E-3", f"e-{chance.randrange(290, 345)}", f"e{chance.randrange(250)}"))
        yield chance.choice(("", "-")) + number + exponent


def written(body: dict, path: tuple, literal: str) -> bytes:
    """Return the JSON text of a body with a literal at ``path``."""
    return json.dumps(mutated(body, path, MARK), ensure_ascii=False).replace(f'"{MARK}"', literal).encode()


def number_places(body: dict) -> Iterator[tuple]:
    """Yield where a number or a text stands, and the keys of free objects."""
    for path in places(body):
        if path and path != ("command",) and not isinstance(find(body, path), dict | list):
            yield path


def digits_of(literal: str) -> str:
    return literal.lower().partition("e")[0].replace(".", "").strip("-0")


def arrives(literal: str) -> bool:
    """Tell whether a number can be held as it is written.

    As an integer of 64 bits, or as a double: one with a fraction that at most 17 digits name, or one of which it is a
    rounding: at most half of its last digit away. Never as 0 where it is not written as 0.
    """
    if literal.lstrip("-").isdigit():
        return -(2**63) <= int(literal) < 2**64
    held, digits = float(literal), digits_of(literal)
    if not digits or not held or abs(held) > sys.float_info.max:
        return not digits
    if len(digits) <= MOST_DIGITS and not held.is_integer():
        return True
    given = Decimal(literal)
    unit = Fraction(10) ** (given.adjusted() - len(digits) + 1)
    half = abs(Fraction(held) - Fraction(given)) * 2
    # A half may be rounded down where the number of digits is not the shortest: nobody writes doubles so.
    return half < unit or (half == unit and digits in (digits_of(repr(held)), digits_of(f"{held:.{len(digits) - 1}e}")))
