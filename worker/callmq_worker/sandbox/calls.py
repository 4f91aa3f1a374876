"""The calls of the sandbox: pure; time is an argument, ids come from a callable."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, TypeAlias

from callmq_worker.sandbox.refusal import Refusal, unprocessable
from callmq_worker.sandbox.settings import SandboxSettings

QUEUED: Final = "queued"
CREATED: Final = "created"
RINGING: Final = "ringing"
ANSWERED: Final = "answered"
ENDED: Final = "ended"
FORCIBLE: Final = (QUEUED, RINGING, ANSWERED, ENDED)
_REMEMBERED: Final = 200_000


@dataclass(slots=True)
class Operation:
    """Something that runs on a call. ``ends`` is when it ends by itself."""

    kind: str
    control_id: str
    ends: float
    paused: bool = False


@dataclass(slots=True)
class Call:
    """One call and the times of its states; ``inf`` where a time is not known yet."""

    id: str
    created_at: float
    sender: str = ""
    to: str = ""
    url: str | None = None
    started: float = inf
    rings: float = inf
    answers: float = inf
    ends: float = inf
    end_status: str = ENDED
    operations: dict[tuple[str, str], Operation] = field(default_factory=dict)

    def status(self, now: float) -> str:
        """Return the state at a time: queued, created, ringing, answered, or how it ended."""
        for since, name in ((self.ends, self.end_status), (self.answers, ANSWERED), (self.rings, RINGING)):
            if now >= since:
                return name
        return CREATED if now >= self.started else QUEUED

    def over(self, now: float) -> bool:
        """Return whether it has ended."""
        return now >= self.ends

    def active(self, now: float, kind: str) -> list[Operation]:
        """Return the operations of a kind that run; those that ended are forgotten."""
        if self.over(now):
            self.operations.clear()
        for key in [key for key, running in self.operations.items() if now >= running.ends]:
            del self.operations[key]
        return [running for (of, _), running in self.operations.items() if of == kind]


Result: TypeAlias = Call | Refusal


@dataclass(slots=True)
class Calls:
    """Every call, and the queue of dials that wait for their turn."""

    settings: SandboxSettings
    new_id: Callable[[], str]
    known: dict[str, Call] = field(default_factory=dict)
    queue: dict[str, None] = field(default_factory=dict)
    _slot: float = -inf

    def advance(self, now: float) -> None:
        """Let the dials out of the queue whose turn has come."""
        gap = 1 / self.settings.cps if self.settings.cps else 0.0
        while self.queue:
            call = self.known[next(iter(self.queue))]
            begin = max(self._slot, call.created_at)
            if begin > now:
                return
            del self.queue[call.id]
            self._slot = begin + gap
            self._plan(call, begin)

    def find(self, call_id: str | None, now: float) -> Call | None:
        """Return a call, whatever the case of its id is."""
        self.advance(now)
        return self.known.get((call_id or "").lower())

    def dial(self, params: dict[str, Any], now: float) -> Result:
        """Put a call into the queue; refused when the backlog is full."""
        call = Call(self.new_id(), now, str(params.get("from", "")), _destination(params.get("to")), params.get("url"))
        self._remember(call, now)
        self.queue[call.id] = None
        self.advance(now)
        if len(self.queue) > self.settings.backlog:
            del self.queue[call.id], self.known[call.id]
            return unprocessable("max_queued_calls_exceeded", "The queue of calls is full.")
        return call

    def force(self, call: Call, state: str, now: float) -> None:
        """Bring a call into a state, in which it stays until it is forced again or a command ends it."""
        self.queue.pop(call.id, None)
        reached = FORCIBLE.index(state)
        call.started = call.rings = now if reached >= FORCIBLE.index(RINGING) else inf
        call.answers = now if reached >= FORCIBLE.index(ANSWERED) else inf
        call.ends = inf
        if state == ENDED:
            self.end(call, now)

    def make(self, call_id: str | None, state: str, now: float) -> Call:
        """Return a call with a given id (replaced where it was known) in a given state."""
        call = Call((call_id or self.new_id()).lower(), now, "+15550100000", "+15550100001")
        self._remember(call, now)
        self.force(call, state, now)
        return call

    def end(self, call: Call, now: float, status: str = ENDED) -> None:
        """End a call and all that runs on it."""
        self.queue.pop(call.id, None)
        call.ends = now
        call.end_status = status
        call.operations.clear()

    def listed(self, now: float) -> Iterable[Call]:
        """Return every call, the oldest first."""
        self.advance(now)
        return self.known.values()

    def _plan(self, call: Call, begin: float) -> None:
        times = self.settings
        call.started = begin
        call.rings = begin + times.ring_seconds
        call.answers = call.rings + times.answer_seconds
        call.ends = call.answers + times.talk_seconds

    def _remember(self, call: Call, now: float) -> None:
        self.known.pop(call.id, None)
        while len(self.known) >= _REMEMBERED:
            oldest = next(iter(self.known.values()))
            self.end(oldest, now)
            del self.known[oldest.id]
        self.known[call.id] = call


def _destination(to: Any) -> str:
    return to if isinstance(to, str) else ""
