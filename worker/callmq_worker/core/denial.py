"""What an account allows its commands: a guard against toll fraud, and against whoever has no business with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from callmq_contracts.command import Command
from callmq_contracts.names import DIAL
from callmq_contracts.problem import MAX_ERRORS, FieldCode, FieldError, Problem, ProblemCode
from callmq_worker.core.hosts import Hosts
from callmq_worker.core.reach import (
    DOCUMENT_KEYS,
    FROM_KEYS,
    REACHED_KEYS,
    Numbers,
    address_fault,
    fetched_fault,
    is_number,
    is_web,
    url_fault,
)

PRICE: Final = "max_price_per_minute"
# The producer's own data: it passes untouched, and the platform neither calls nor fetches what stands in it.
_DATA: Final = frozenset(
    (
        ("dial", "custom_variables"),
        ("calling.ai_message", "global_data"),
        ("calling.ai_sidecar", "global_data"),
        ("calling.stream", "custom_parameters"),
        ("calling.user_event", "event"),
    )
)
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z_-]{0,63}[0-9]{0,3}\Z")


@dataclass(frozen=True, slots=True)
class Restrictions:
    """The rules of one account; None is no rule, an empty list allows nothing. ``max_price_per_minute`` in dollars.

    ``producers``: users of the broker.
    """

    producers: frozenset[str] | None = None
    numbers: Numbers | None = None
    from_numbers: frozenset[str] | None = None
    sip_hosts: Hosts | None = None
    url_hosts: Hosts | None = None
    max_price_per_minute: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that are set."""
        numbers = self.numbers or Numbers()
        told = {
            "producers": self.producers is not None,
            "allowed_prefixes": numbers.allowed is not None,
            "denied_prefixes": bool(numbers.denied),
            "from_numbers": self.from_numbers is not None,
            "allowed_sip_hosts": self.sip_hosts is not None,
            "allowed_url_hosts": self.url_hosts is not None,
            "max_price_per_minute": self.max_price_per_minute is not None,
        }
        return tuple(name for name, is_set in told.items() if is_set)

    @property
    def of_content(self) -> bool:
        """Whether it matters what stands in a body."""
        return any(rule is not None for rule in (self.numbers, self.from_numbers, self.sip_hosts, self.url_hosts))


def denial(rules: Restrictions, user_id: str | None, command: Command) -> Problem | None:
    """Return why an account does not do this command of this broker user, None where it does.

    The problem names rules and fields, and never a number or an address.
    """
    if rules.producers is not None and user_id not in rules.producers:
        how = "is absent" if user_id is None else "is not among them"
        detail = f"The account lists its producers, and the property 'user_id', which the broker checks, {how}."
        return Problem(ProblemCode.ACCOUNT_FORBIDDEN, detail)
    if not rules.of_content:
        return None
    walk = _Walk(rules, command.name)
    walk.mapping(command.body)
    if not walk.errors:
        return None
    names = ", ".join(sorted({error.message.partition(":")[0] for error in walk.errors}))
    return Problem(ProblemCode.POLICY_DENIED, f"The account's own rules refuse it: {names}.", tuple(walk.errors))


class _Walk:
    """One pass over a body: what is called, who calls, and what is fetched, wherever it stands."""

    def __init__(self, rules: Restrictions, name: str) -> None:
        self.errors: list[FieldError] = []
        self._rules = rules
        self._name = name
        self._where: list[str | int] = []
        self._calls = rules.numbers is not None or rules.sip_hosts is not None

    def mapping(self, value: Mapping[str, Any]) -> None:
        for key, item in value.items():
            self._where.append(key)
            if self._where[:-1] != ["params"] or (self._name, key) not in _DATA:
                self._visit(key, item)
            self._where.pop()

    def _visit(self, key: str, value: Any) -> None:
        """Judge a value by the key that it stands under; a list's items stand under the list's."""
        if isinstance(value, str):
            fault = self._fault(key, value)
            if fault is not None and len(self.errors) < MAX_ERRORS:
                self.errors.append(FieldError(_path(self._where), FieldCode.NOT_ALLOWED, fault))
        elif isinstance(value, dict):
            self.mapping(value)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                self._where.append(number)
                self._visit(key, item)
                self._where.pop()

    def _fault(self, key: str, text: str) -> str | None:
        rules = self._rules
        if key in FROM_KEYS:
            return self._from_fault(key, text)
        if key in DOCUMENT_KEYS and rules.from_numbers is not None and not is_web(text):
            return "from_numbers: can't be told who calls in it: give the document as an object, or its URL"
        fault = None
        if self._calls and (key in REACHED_KEYS or is_number(text)):
            fault = address_fault(text, rules.sip_hosts, rules.numbers)
        if fault is None and rules.url_hosts is not None:
            fault = fetched_fault(key, text) or url_fault(text, rules.url_hosts)
        return fault

    def _from_fault(self, key: str, text: str) -> str | None:
        owned = self._rules.from_numbers
        if owned is None or text in owned or (key == "caller_id" and not any(c.isdigit() for c in text)):
            return None
        return "from_numbers: the account only calls from its own"


def _path(where: list[str | int]) -> str:
    """Return the path of a field; a key that the producer made up may hold anything, so it is not repeated."""
    path = ""
    for part in where:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if _PLAIN_KEY.match(part) else ".*"
    return path.removeprefix(".")


def capped(command: Command, ceiling: float) -> dict[str, Any]:
    """Return the body with no price a minute above the ceiling, and a dial's own set where it has none."""
    params = {
        key: value if (command.name, key) in _DATA else _capped(key, value, ceiling)
        for key, value in command.body["params"].items()
    }
    if command.name == DIAL:
        params.setdefault(PRICE, ceiling)
    return {**command.body, "params": params}


def _capped(key: str, value: Any, ceiling: float) -> Any:
    if key == PRICE:
        return _lower(value, ceiling)
    if isinstance(value, dict):
        return {name: _capped(name, item, ceiling) for name, item in value.items()}
    if isinstance(value, list):
        return [_capped("", item, ceiling) for item in value]
    return value


def _lower(price: Any, ceiling: float) -> Any:
    number = isinstance(price, int | float) and not isinstance(price, bool)
    return price if number and price <= ceiling else ceiling
