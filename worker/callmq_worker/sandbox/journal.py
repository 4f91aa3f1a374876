"""What the sandbox received, in order, and how often each key acted. Pure; memory is bounded."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from callmq_contracts.reply import iso_time
from callmq_worker.sandbox.faults import Subject

_KEYS: Final = 1_000_000
_LISTED_KEYS: Final = 1000
_NUMBER: Final = re.compile(r"(?<![0-9A-Za-z-])(\+?\d{2})\d{4,}(\d{2})(?![0-9A-Za-z-])")


@dataclass(slots=True)
class Entry:
    """One request. ``status`` is null until it is answered, and stays null where no answer was sent."""

    number: int
    time: float
    method: str
    subject: Subject
    control_id: str | None = None
    to: str | None = None
    status: int | None = None
    fault: str | None = None
    acted: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form, phone numbers masked."""
        return {
            "number": self.number,
            "time": iso_time(self.time),
            "method": self.method,
            "path": mask(self.subject.path),
            "key": self.subject.key,
            "command": self.subject.command,
            "call_id": self.subject.call_id,
            "control_id": self.control_id,
            "to": None if self.to is None else mask(self.to),
            "status": self.status,
            "fault": self.fault,
            "acted": self.acted,
        }


@dataclass(slots=True)
class Journal:
    """The last ``size`` requests; the counts go on beyond them."""

    size: int = 200_000
    received: int = 0
    acted: int = 0
    _entries: deque[Entry] = field(default_factory=deque)
    _times: dict[str, int] = field(default_factory=dict)
    _repeated: dict[str, None] = field(default_factory=dict)

    def receive(self, entry: Entry) -> Entry:
        """Note a request; its number is given here, from 1 on."""
        self.received += 1
        entry.number = self.received
        self._entries.append(entry)
        while len(self._entries) > self.size:
            self._entries.popleft()
        return entry

    def act(self, entry: Entry) -> None:
        """Note that the command of a request was carried out."""
        entry.acted = True
        self.acted += 1
        key = entry.subject.key
        if key is None:
            return
        self._times[key] = self._times.pop(key, 0) + 1
        if self._times[key] > 1:
            self._repeated[key] = None
        while len(self._times) > _KEYS:
            self._times.pop(oldest := next(iter(self._times)))
            self._repeated.pop(oldest, None)

    def times_acted(self, key: str) -> int:
        """Return how often the command with a key was carried out."""
        return self._times.get(key, 0)

    def repeated(self) -> dict[str, int]:
        """Return the keys that acted more than once, at most a thousand of them, and how often."""
        return {key: self._times[key] for key in islice(self._repeated, _LISTED_KEYS)}

    def since(self, number: int, key: str | None = None, call_id: str | None = None) -> Iterator[Entry]:
        """Yield the kept entries from after a number on, of one key or call where given."""
        skipped = max(0, number - (self.received - len(self._entries)))
        for entry in islice(self._entries, skipped, None):
            if key in (None, entry.subject.key) and call_id in (None, entry.subject.call_id):
                yield entry

    def as_dict(
        self, since: int = 0, limit: int = 1000, key: str | None = None, call_id: str | None = None
    ) -> dict[str, Any]:
        """Return one page in its JSON form; ``next`` is the ``since`` of the following one."""
        page = list(islice(self.since(since, key, call_id), limit))
        whole = len(page) < limit
        document: dict[str, Any] = {
            "entries": [entry.as_dict() for entry in page],
            "next": self.received if whole else page[-1].number if page else since,
            "received": self.received,
            "forgotten": self.received - len(self._entries),
            "acted": self.acted,
            "keys_acted": len(self._times),
            "acted_more_than_once": self.repeated(),
        }
        if key is not None:
            document["times_acted"] = self.times_acted(key)
        return document

    def clear(self) -> None:
        """Forget everything; numbers begin at 1 again."""
        self.received = self.acted = 0
        self._entries.clear()
        self._times.clear()
        self._repeated.clear()


def mask(text: str) -> str:
    """Return a text with the middle of each phone number hidden: ``+15*****01``."""
    return _NUMBER.sub(r"\1*****\2", text)
