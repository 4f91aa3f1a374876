"""Thousands of wrong, and some right, versions of the examples."""

import copy
from collections.abc import Iterator
from itertools import product

from callmq_contracts import EXAMPLES

DROP = object()
JUNK = (None, True, False, 0, 1, -1, 2.5, 7.0, "", "x", [], {}, ["x"], {"x": 1}, [[]], 10**9, -(10**9), "X" * 2000)
NUMBERS = (0.0, 1e-9, -0.5, 0.5, 1.0, 2.0, 3, 10, 15, 20, 20.0, 40, 40.5, 41, -40, -40.5, -41, 49, 50, 100, 100.5, 101)
LARGE = (600, 601, 1000, 999, 1800, 1801, 5000, 5001, 10000, 10001, 60000, 60001, 65535, 65536, 200000, 200001, 600001)
TEXTS = (
    "https://example.com/ok?x=1#y",
    "HTTP://EXAMPLE.COM",
    "http://",
    "https://exa mple.com",
    "https://exämple.com/ü",
    "https://[::1::2]/x",
    "https://a.b/{x}",
    "https://a.b/%zz",
    "ftp://example.com",
    "ws://example.com/a",
    "wss://example.com/a",
    "sip:a@example.com",
    "sips:a@example.com",
    "verto:a",
    "client:a",
    "/context/name",
    "/context",
    "+15550100",
    "5550100",
    "+0555",
    "GET",
    "get",
    "PCMU",
    "PCMU,PCMA",
    "PCMU;PCMA",
    "#*09AD",
    "ad",
    "12w,",
    "E",
    "300",
    "3.5",
    "198.51.100.7",
    "10.1.2.3",
    "192.168.1.1",
    "172.31.0.1",
    "224.0.0.1",
    "1.2.3",
    "::1",
    "prompt:",
    "prompt:be kind",
    "polite",
    "Polite",
    "listen",
    "both",
    "stop",
    "start",
    "audio",
    "machine",
    "ws",
    "5A1C0F7E-2B64-4D0A-9C33-0B7D1E8F4A21",
    "5a1c0f7e2b644d0a9c330b7d1e8f4a21",
    "not-a-uuid",
)
VARIABLES = (
    {"sw_x": "1"},
    {"SignalWire_x": "1"},
    {"1a": "x"},
    {"a-b": "x"},
    {"a": ""},
    {"a": "é" * 513},
    {"a": "é" * 512},
)
MANY = ({f"k{i}": "v" for i in range(20)}, {f"k{i}": "v" for i in range(21)}, {"a": 1}, {"_a1": "x"})


def places(value, path=()) -> Iterator[tuple]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*path, index))


def mutations(body, words=(), bounds=()) -> Iterator[tuple[tuple, object]]:
    """Yield (path, new value) for one body: a dropped key, an unknown one, a wrong type, a value out of bounds.

    ``words`` and ``bounds`` are further values for texts and numbers.
    """
    for path in places(body):
        if not path or path == ("command",):
            continue
        value = find(body, path)
        yield path, DROP
        yield from ((path, junk) for junk in JUNK)
        if isinstance(value, int | float):
            yield from ((path, number) for number in (*NUMBERS, *LARGE, *bounds, str(value), float(value)))
        if isinstance(value, str):
            yield from ((path, text) for text in (*TEXTS, *words, value.upper(), value + " ", " " + value, [value]))
        if isinstance(value, dict):
            yield path, {**value, "zzz": 1}
            yield path, {**value, "from_": "x"}
            yield from ((path, variables) for variables in (*VARIABLES, *MANY) if path[-1] == "custom_variables")
        if isinstance(value, list):
            yield path, [*value, *value]
            yield from ((path, [*value, junk]) for junk in JUNK)
    yield ("zzz",), 1
    yield ("id",), "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21"


def additions() -> Iterator[tuple[str, dict, tuple, object]]:
    """Yield (command, body, path, value): an object gets a key of the same object in a sister example.

    So keys meet that exclude or need each other, and branches of unions. A second time, the key's name stands alone.
    """
    for command, bodies in EXAMPLES.items():
        for body, sister in product(bodies, bodies):
            for path in places(body):
                mine, theirs = find(body, path), look(sister, path)
                if path and isinstance(mine, dict) and isinstance(theirs, dict):
                    for key, value in theirs.items():
                        yield command, body, (*path, key), value
                        yield command, body, path, key


def look(body, path):
    """Return what is at ``path``, or None."""
    try:
        return find(body, path)
    except (KeyError, IndexError, TypeError):
        return None


def find(body, path):
    for step in path:
        body = body[step]
    return body


def mutated(body, path, value):
    made = copy.deepcopy(body)
    holder = find(made, path[:-1])
    if isinstance(holder, dict) is isinstance(path[-1], int):
        raise TypeError("an index into an object, or a key into a list")
    if value is not DROP:
        if isinstance(holder, list) and path[-1] >= len(holder):
            return made
        holder[path[-1]] = copy.deepcopy(value)
    else:
        del holder[path[-1]]
    return made
