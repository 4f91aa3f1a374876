"""What the operator's verbs share: how they end, and how rows are printed."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final

import orjson

from callmq_contracts.envelope import parse_moment
from callmq_contracts.terminal import plain
from callmq_worker.operations.desk import ActError, NotReachedError
from callmq_worker.ports import BrokerAwayError, LedgerAwayError
from callmq_worker.settings import SettingsError

__all__ = [
    "EXIT_AWAY",
    "EXIT_NO",
    "EXIT_OK",
    "EXIT_USAGE",
    "age",
    "moment",
    "perform",
    "plain",
    "print_json",
    "print_page",
    "print_rows",
    "say",
    "whole",
]

EXIT_OK: Final = 0
EXIT_NO: Final = 1
EXIT_USAGE: Final = 2
EXIT_AWAY: Final = 3
_MAX_AGE: Final = 8  # characters: more would be no age, and no float
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def perform(verb: str, act: Coroutine[Any, Any, int]) -> int:
    """Run an act and return its exit code; what ends it is said on standard error."""
    try:
        return asyncio.run(act)
    except SettingsError as error:
        for line in error.errors:
            say(verb, line)
        return EXIT_USAGE
    except ActError as error:
        say(verb, str(error))
        return EXIT_NO
    except NotReachedError as error:
        say(verb, str(error))
    except BrokerAwayError as error:
        say(verb, f"The broker could not be used: {error}")
    except LedgerAwayError as error:
        say(verb, f"The ledger could not be used: {error}")
    return EXIT_AWAY


def say(verb: str, line: str) -> None:
    """Write one line for a person."""
    print(f"callmq {verb}: {line}", file=sys.stderr)


def print_json(document: Any) -> None:
    """Write one JSON document on one line."""
    sys.stdout.write(orjson.dumps(document, default=str).decode() + "\n")


def print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Write rows, as JSON lines or as a table of these columns with a head."""
    if as_json:
        for row in rows:
            print_json(row)
        return
    if not rows:
        return
    cells = [[plain(name) for name in columns], *([plain(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_page(page: Mapping[str, Any], indent: str = "") -> None:
    """Write one thing with all that is known of it, a line a field."""
    for name, value in page.items():
        if isinstance(value, Mapping):
            print(f"{indent}{plain(name)}:")
            print_page(value, f"{indent}  ")
        elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            for number, each in enumerate(value, 1):
                print(f"{indent}{plain(name)} {number}:")
                print_page(each, f"{indent}  ")
        else:
            print(f"{indent}{plain(name)}: {plain(value)}")


def whole(text: str) -> int:
    """Read a number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def age(text: str) -> float:
    """Read ``7d``, ``12h``, ``30m`` or ``45s`` as seconds."""
    unit = _UNITS.get(text[-1:], 0)
    if not unit or not text[:-1].isascii() or not text[:-1].isdigit() or len(text) > _MAX_AGE:
        raise argparse.ArgumentTypeError("must be a whole number with s, m, h or d, such as 7d")
    return float(int(text[:-1]) * unit)


def moment(text: str) -> float:
    """Read an RFC 3339 time or milliseconds since the epoch as seconds since the epoch."""
    seconds = parse_moment(int(text) if text.isascii() and text.isdigit() else text)
    if seconds is None:
        raise argparse.ArgumentTypeError("must be RFC 3339 with a zone, or milliseconds since the epoch")
    return seconds
