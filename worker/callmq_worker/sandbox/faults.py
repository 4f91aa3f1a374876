"""Faults on demand: what can go wrong, which request it hits, how often. Pure data and matching."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Final

EARLY: Final = "reset_before_reading"
_ACTS_NOT: Final = frozenset(
    {EARLY, "reset_before_acting", "status", "retry_after", "html_502"}
)  # unless told otherwise
_ALWAYS: Final = frozenset({"action", "match", "times"})
_PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    "status": frozenset({"status", "headers", "body", "acts"}),
    "retry_after": frozenset({"status", "retry_after", "body", "acts"}),
    "delay": frozenset({"seconds", "when"}),
    EARLY: frozenset(),
    "reset_before_acting": frozenset(),
    "reset_after_reading": frozenset(),
    "half_answer": frozenset({"size", "acts"}),
    "hang": frozenset({"acts"}),
    "html_502": frozenset({"status", "acts"}),
    "huge_body": frozenset({"size", "acts"}),
    "gzip_bomb": frozenset({"size", "acts"}),
    "compressed": frozenset({"encoding", "acts"}),
    "drip": frozenset({"seconds", "acts"}),
    "bad_framing": frozenset({"acts"}),
}
_REQUIRED: Final[Mapping[str, str]] = {"status": "status", "retry_after": "retry_after", "delay": "seconds"}
_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "retry_after": {"status": 429},
    "html_502": {"status": 502},
    "huge_body": {"size": 50 * 1024 * 1024},
    "gzip_bomb": {"size": 200 * 1024 * 1024},
    "drip": {"seconds": 0.05},
}
_MATCHES: Final = ("command", "key", "call_id", "path")
_EARLY_MATCHES: Final = ("key", "path")
_MAX_SIZE: Final = 2**30
_MAX_SECONDS: Final = 86_400.0
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]{0,4096}[\x21-\x7e])?|")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a fault can be matched against; None where the request does not say."""

    path: str
    key: str | None = None
    command: str | None = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. ``times`` 0 means until it is taken away. ``acts``: the command is carried out nevertheless."""

    action: str
    match: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    acts: bool = True
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None
    retry_after: str = ""
    seconds: float = 0.0
    when: str = "before_answering"
    size: int | None = None
    encoding: str = "gzip"

    def hits(self, subject: Subject) -> bool:
        """Return whether everything that the match names is so."""
        return all(getattr(subject, name) == value for name, value in self.match.items())

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form, as it can be armed again."""
        document = {"action": self.action, "match": dict(self.match), "times": self.times}
        for name in sorted(_PARAMETERS[self.action]):
            value = dict(self.headers) if name == "headers" else getattr(self, name)
            if value is not None:
                document[name] = value
        return document


@dataclass(slots=True)
class Faults:
    """The faults that are armed, in the order of arming; each request meets the first that fits, and only that."""

    armed: dict[int, Fault] = field(default_factory=dict)
    taken: dict[int, int] = field(default_factory=dict)
    _last: int = 0

    def arm(self, fault: Fault) -> int:
        """Add a fault and return its number."""
        self._last += 1
        self.armed[self._last], self.taken[self._last] = fault, 0
        return self._last

    def disarm(self, number: int | None = None) -> bool:
        """Take one fault away, or all; return whether there was any."""
        gone = [n for n in self.armed if number in (None, n)]
        for n in gone:
            del self.armed[n], self.taken[n]
        return bool(gone)

    def early(self) -> bool:
        """Return whether a fault waits that must act before anything is read."""
        return any(fault.action == EARLY for fault in self.armed.values())

    def take(self, subject: Subject, *, early: bool = False) -> Fault | None:
        """Return the fault that a request meets, and count it. ``early``: only those before anything is read."""
        for number, fault in self.armed.items():
            if fault.hits(subject) and (not early or fault.action == EARLY):
                self.taken[number] += 1
                if fault.times and self.taken[number] >= fault.times:
                    self.disarm(number)
                return fault
        return None

    def listed(self) -> list[dict[str, Any]]:
        """Return the JSON form of what is armed."""
        return [{"id": n, **fault.as_dict(), "taken": self.taken[n]} for n, fault in self.armed.items()]


def read_fault(document: Any) -> Fault:
    """Return the fault that a JSON document describes. Raises ValueError with a sentence for the caller."""
    if not isinstance(document, dict):
        raise ValueError("a fault is an object with an action")  # noqa: TRY004 - one kind of error for the caller
    action = document.get("action")
    if not isinstance(action, str) or action not in _PARAMETERS:
        raise ValueError(f"action must be one of {', '.join(_PARAMETERS)}")
    allowed = _ALWAYS | _PARAMETERS[action]
    for name in document:
        if name not in allowed:
            raise ValueError(f"{action} takes no {str(name)[:64]!r}; it takes {', '.join(sorted(allowed))}")
    if action in _REQUIRED and _REQUIRED[action] not in document:
        raise ValueError(f"{action} needs {_REQUIRED[action]}")
    given = {name: _READ[name](name, value) for name, value in document.items() if name in _READ}
    fault = Fault(action, acts=action not in _ACTS_NOT)
    return replace(fault, match=_match(action, document.get("match", {})), **{**_DEFAULTS.get(action, {}), **given})


def _match(action: str, wanted: Any) -> dict[str, str]:
    names = _EARLY_MATCHES if action == EARLY else _MATCHES
    if not isinstance(wanted, dict) or any(n not in names or not isinstance(v, str) for n, v in wanted.items()):
        raise ValueError(f"match of {action} is an object of strings: {', '.join(names)}")
    return {name: value.lower() if name == "call_id" else value for name, value in wanted.items()}


def _whole(low: int, high: int) -> Callable[[str, Any], int]:
    def read(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}")
        return value

    return read


def _seconds(name: str, value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not number or not 0 <= value <= _MAX_SECONDS:
        raise ValueError(f"{name} must be a number from 0 to {_MAX_SECONDS:.0f}")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")  # noqa: TRY004 - one kind of error for the caller
    return value


def _one_of(*words: str) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        if value not in words:
            raise ValueError(f"{name} must be {' or '.join(words)}")
        return str(value)

    return read


def _headers(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object of strings")  # noqa: TRY004 - as above
    for header, content in value.items():
        if not _HEADER_NAME.fullmatch(header) or not isinstance(content, str) or not _HEADER_VALUE.fullmatch(content):
            raise ValueError(f"{name} must be header names with printable strings")
        if header.lower() in ("content-length", "transfer-encoding", "connection"):
            raise ValueError(f"{name} can't set {header.lower()}: the server frames its answers itself")
    return tuple(value.items())


def _later(name: str, value: Any) -> str:
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _HEADER_VALUE.fullmatch(text):
        raise ValueError(f"{name} must be seconds or a printable string")
    return text


def _as_is(_: str, value: Any) -> Any:
    return value


_READ: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "times": _whole(0, 1_000_000_000),
    "acts": _flag,
    "status": _whole(200, 599),
    "headers": _headers,
    "body": _as_is,
    "retry_after": _later,
    "seconds": _seconds,
    "when": _one_of("before_acting", "before_answering"),
    "size": _whole(0, _MAX_SIZE),
    "encoding": _one_of("gzip", "deflate"),
}
