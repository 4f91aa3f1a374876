"""Commands that the catalogue does not know yet and that a setting names: the platform adds them faster than we do."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, TypeAlias

from pydantic import ConfigDict

from callmq_contracts.catalog import CATALOG, Entry
from callmq_contracts.command import Safety
from callmq_contracts.formats import CallId, Free, Text
from callmq_contracts.shapes import Body, Maybe

EXTRA_COMMANDS: Final = "CALLMQ_EXTRA_COMMANDS"
LONGEST_EXTRA: Final = 7 * 86_400.0

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_NAME: Final = re.compile(r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")
_LONGEST_NAME: Final = 128
_LIFETIME: Final = re.compile(r"^([1-9][0-9]{0,6})([smhd])\Z")

ExtraCommands: TypeAlias = Mapping[str, Entry]
NO_EXTRA: Final[ExtraCommands] = MappingProxyType({})


class Extra(Body):
    """A body of which only the frame is known: everything else passes untouched, for the endpoint to judge."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    command: Text
    id: Maybe[CallId] = None
    """The call, where it is one on a call."""
    params: Free


def parse_extra_commands(text: str) -> ExtraCommands:
    """Read ``calling.new_thing=1h,queue.join=30s``: name and default lifetime, in whole s, m, h or d.

    Each is unsafe, and ordered by its call. Raises `ValueError` with the rule that is broken, without the value.
    """
    entries: dict[str, Entry] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, lifetime = (part.strip() for part in word.partition("="))
        match = _LIFETIME.match(lifetime)
        if not _NAME.match(name) or len(name) > _LONGEST_NAME or not match:
            raise ValueError("must be names with lifetimes, such as calling.new_thing=30s,calling.other=1h")
        if name in CATALOG:
            raise ValueError("must only name commands that the catalogue does not have")
        if name in entries:
            raise ValueError("must name each command once")
        seconds = float(int(match[1]) * _UNITS[match[2]])
        if seconds > LONGEST_EXTRA:
            raise ValueError(f"must give lifetimes of at most {LONGEST_EXTRA / _UNITS['d']:.0f}d")
        entries[name] = _entry(name, seconds)
    return MappingProxyType(entries)


def longest_lifetime(extra: ExtraCommands) -> float:
    """Return the longest lifetime in seconds, 0 where there are none."""
    return max((entry.classify({})[1] for entry in extra.values()), default=0.0)


def _entry(name: str, seconds: float) -> Entry:
    def classify(_params: Mapping[str, Any]) -> tuple[Safety, float]:
        return Safety.UNSAFE, seconds

    return Entry(name, Extra, classify)
