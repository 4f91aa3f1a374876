"""Judges what was seen of settings, broker, ledger and host: one check, one line, one thing to do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from callmq_contracts.names import Names
from callmq_worker.core.denial import Restrictions

LANE_WAIT: Final = 60.0  # a command on a live call may wait so long in its lane, unacknowledged
NODE_TIMEOUT: Final = 1800.0  # the broker's own, where nobody changed it
_NOBODY_SAYS: Final = (
    f"set by no queue and no policy; the node's own ({NODE_TIMEOUT:.0f} s unless changed) can't be seen over the API"
)
CLOCK_WARNING: Final = 3.0
CLOCK_WRONG: Final = 30.0
SPARE_DESCRIPTORS: Final = 128
LOW_DISK: Final = 256 * 1024 * 1024
OLDEST: Final = (3, 10)
_MILLISECONDS: Final = 1000
_DAY: Final = 86_400


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Check:
    """One line. ``todo`` is empty where there is nothing to do."""

    name: str
    state: State
    detail: str
    todo: str = ""

    def row(self) -> dict[str, str]:
        """Return what is printed."""
        return {"check": self.name, "state": self.state.value, "detail": self.detail, "todo": self.todo}


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """What was seen of a SQLite ledger's place; ``free`` in bytes, ``wal`` None while there is no file."""

    path: Path
    exists: bool
    writable: bool
    exposed: bool
    wal: bool | None
    free: int


def exit_code(checks: Iterable[Check]) -> int:
    """Return 1 where anything is wrong, else 3 where something can't be reached, else 0."""
    states = {check.state for check in checks}
    return 1 if State.WRONG in states else 3 if State.AWAY in states else 0


def retention(kept: float, needed: float) -> Check:
    """Judge how long records are kept against what must fit into it; both in seconds."""
    days, least = kept / _DAY, needed / _DAY
    if kept < needed:
        return Check("retention", State.WRONG, f"{days:.1f} days", f"CALLMQ_RETENTION: at least {least:.1f} days.")
    return Check("retention", State.OK, f"records are kept {days:.1f} days, needed {least:.1f}")


def version(product: str, text: str) -> Check:
    """Judge what the broker says that it is."""
    parts = text.split(".")
    known = tuple(int(p) for p in parts[:2]) if len(parts) > 1 and all(p.isdigit() for p in parts[:2]) else ()
    if product != "RabbitMQ" or (known and known < OLDEST):
        return Check("version", State.WRONG, f"{product} {text}", "Use RabbitMQ 3.10 or newer.")
    return Check("version", State.OK, f"{product} {text}")


def lane(name: str, waiting: int, consumers: int) -> Check:
    """Judge one lane's queue."""
    detail = f"{name}: consumers {consumers}, waiting {waiting}"
    if consumers == 0:
        return Check("lane", State.WARNING, detail, "No worker consumes it: run 'callmq work'.")
    return Check("lane", State.OK, detail)


def depth(name: str, waiting: int, verb: str) -> Check:
    """Judge the depth of the dead letters or of the parked commands."""
    detail = f"{name}: {waiting} messages"
    todo = f"Look at them: callmq {verb} list." if waiting else ""
    return Check("depth", State.WARNING if waiting else State.OK, detail, todo)


def consumer_timeout(deadline: float, queues: Sequence[Mapping[str, Any]] | None, names: Names) -> Check:
    """Compare how long a delivery may stay unacknowledged with how long one may take; all in seconds."""
    needed = deadline + LANE_WAIT
    if queues is None:
        return Check("consumer timeout", State.OK, f"can't be seen without CALLMQ_MANAGEMENT_URL; needs {needed:.0f} s")
    least = _least_timeout(queues, names)
    detail = f"{least:.0f} s, needs {needed:.0f} s" if least else _NOBODY_SAYS
    if (least or NODE_TIMEOUT) <= needed:
        todo = f"Raise it above {needed:.0f} s, or lower CALLMQ_HTTP_DEADLINE."
        return Check("consumer timeout", State.WRONG, detail, todo)
    return Check("consumer timeout", State.OK, detail)


def _least_timeout(queues: Sequence[Mapping[str, Any]], names: Names) -> float | None:
    shared = (names.dial, names.unrouted, names.returned)
    found = []
    for queue in queues:
        policy = queue.get("effective_policy_definition") or {}
        arguments = queue.get("arguments") or {}
        said = arguments.get("x-consumer-timeout", policy.get("consumer-timeout"))
        lane = queue.get("name") in shared or str(queue.get("name")).startswith(names.control)
        if lane and isinstance(said, int) and said > 0:
            found.append(said / _MILLISECONDS)
    return min(found, default=None)


def alarms(nodes: Sequence[Mapping[str, Any]]) -> Check:
    """Judge the nodes: alarms block every publisher."""
    down = [str(n.get("name")) for n in nodes if not n.get("running", True)]
    alarmed = [str(n.get("name")) for n in nodes if n.get("mem_alarm") or n.get("disk_free_alarm")]
    split = [str(n.get("name")) for n in nodes if n.get("partitions")]
    if alarmed:
        detail = f"memory or disk alarm on {', '.join(alarmed)}"
        return Check("nodes", State.WRONG, detail, "Free memory or disk there: nothing is published until then.")
    if down or split:
        return Check("nodes", State.WARNING, f"down or apart: {', '.join(down + split)}", "Look at the cluster.")
    return Check("nodes", State.OK, f"{len(nodes)} running, no alarm")


def clock(here: float, there: float | None) -> Check:
    """Compare this host's clock with the broker's; both in seconds since the epoch."""
    if there is None:
        return Check("clock", State.OK, "can't be compared without CALLMQ_MANAGEMENT_URL")
    off = abs(here - there)
    detail = f"{off:.0f} s from the broker's"
    if off >= CLOCK_WARNING:
        state = State.WRONG if off >= CLOCK_WRONG else State.WARNING
        return Check("clock", state, detail, "Set the clocks (NTP): expiry and pace count on them.")
    return Check("clock", State.OK, detail)


def account(name: str, files: int, restrictions: Restrictions | None) -> list[Check]:
    """Say how an account is set up, and what its rules leave open; ``files``: how many hold its credentials."""
    source = "from files, which are looked at again" if files else "from settings, so a new one needs a restart"
    rules = restrictions.names if restrictions is not None else ()
    said = f"{name}: credentials {source}; restricted by {', '.join(rules) or 'nothing'}"
    checks = [Check("account", State.OK, said)]
    if restrictions is None:
        return checks
    called = restrictions.numbers is not None or restrictions.sip_hosts is not None
    if (called or restrictions.from_numbers is not None) and restrictions.url_hosts is None:
        open_end = f"{name}: a document from any URL may call any number, since no rule sees what is in it"
        checks.append(Check("account", State.WARNING, open_end, f"Set accounts.{name}.allowed_url_hosts."))
    if restrictions.producers is not None and not restrictions.producers:
        closed = f"{name}: no producer may use it, since its list of producers is empty"
        checks.append(Check("account", State.WARNING, closed, f"Name some in accounts.{name}.producers."))
    return checks


def descriptors(limit: int, concurrency: int) -> Check:
    """Judge the limit on open files: each request in flight may need a connection, and as many may stay open idle."""
    needed = 2 * concurrency + SPARE_DESCRIPTORS
    if limit < needed:
        todo = f"Raise it to {needed} (ulimit -n, LimitNOFILE), or lower CALLMQ_CONCURRENCY."
        return Check("file descriptors", State.WRONG, f"{limit} for a concurrency of {concurrency}", todo)
    return Check("file descriptors", State.OK, f"{limit}, needs {needed}")


def ledger_place(place: LedgerPlace) -> list[Check]:
    """Judge where a SQLite ledger lies."""
    checks = []
    if not place.writable:
        todo = f"Give the workers' user write rights on {place.path.parent}, or run this as that user."
        checks.append(Check("ledger", State.WRONG, "can't be written by this user", todo))
    if place.exposed:
        todo = f"chmod 600 {place.path}: it holds call ids and answers."
        checks.append(Check("ledger", State.WARNING, "can be read by other users", todo))
    if place.wal is False:
        checks.append(Check("ledger", State.WARNING, "has no write-ahead log yet", "A worker's start sets it."))
    if place.free < LOW_DISK:
        megabytes = place.free // 1_048_576
        checks.append(
            Check("disk", State.WRONG, f"{megabytes} MB free for the ledger", "Free some: full, nothing is sent.")
        )
    else:
        checks.append(Check("disk", State.OK, f"{place.free // 1_048_576} MB free for the ledger"))
    return checks
