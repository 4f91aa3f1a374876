"""The topology by an operator's hand: declare it, look at it, write it down."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from callmq_worker.core.comparison import differences, name_of
from callmq_worker.core.layout import Layout

State = Literal["ok", "wrong", "unseen"]
UNSEEN: Final = "can't be seen over AMQP"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing of the layout, and how it is."""

    what: str
    name: str
    state: State
    detail: str = ""

    def row(self) -> dict[str, str]:
        """Return what is printed."""
        return {"what": self.what, "name": self.name, "state": self.state, "detail": self.detail}


class Ground(Protocol):
    """The broker's exchanges, queues and bindings. All raise `BrokerAwayError`."""

    async def declare(self, layout: Layout) -> tuple[str, ...]:
        """Declare what is missing; return a sentence for each thing that is wrong."""
        ...

    async def verify(self, layout: Layout) -> tuple[str, ...]:
        """Change nothing; return a sentence for each exchange or queue that is missing."""
        ...


class Listing(Protocol):
    """What the management API lists. Raises `BrokerAwayError`."""

    async def listed(self, kind: str) -> list[dict[str, Any]]:
        """Return all ``exchanges``, ``queues`` or ``bindings`` of the vhost."""
        ...


async def declare(ground: Ground, layout: Layout) -> list[Finding]:
    """Declare everything, as a worker does at its connect; say of each thing whether it is there."""
    return [_finding(kind, name, await ground.declare(part)) for kind, name, part in _parts(layout)]


async def verify(ground: Ground, layout: Layout, listing: Listing | None) -> list[Finding]:
    """Look at everything and change nothing; arguments and bindings only with the management API."""
    if listing is not None:
        return _compared(layout, await look(listing, layout))
    findings = []
    for kind, name, part in _parts(layout):
        if kind == "binding":
            findings.append(Finding(kind, name, "unseen", UNSEEN))
        else:
            findings.append(_finding(kind, name, await ground.verify(part)))
    return findings


async def look(listing: Listing, layout: Layout) -> dict[tuple[str, str], str]:
    """Return what the management API shows to be wrong, by kind and name."""
    exchanges, queues, bindings = [await listing.listed(kind) for kind in ("exchanges", "queues", "bindings")]
    return differences(layout, exchanges, queues, bindings)


def _compared(layout: Layout, wrong: Mapping[tuple[str, str], str]) -> list[Finding]:
    known = [(kind, name) for kind, name, _ in _parts(layout)]
    everything = known + [each for each in wrong if each not in known]
    return [
        Finding(kind, name, "wrong" if (kind, name) in wrong else "ok", wrong.get((kind, name), ""))
        for kind, name in everything
    ]


def _finding(kind: str, name: str, faults: tuple[str, ...]) -> Finding:
    said = " ".join(faults).removeprefix(f"{kind} '{name}'").lstrip(": ")
    return Finding(kind, name, "wrong" if faults else "ok", said)


def _parts(layout: Layout) -> list[tuple[str, str, Layout]]:
    """Return the layout in the order of declaring, each thing as a layout of its own."""
    parts = [("exchange", e.name, Layout(exchanges=(e,))) for e in layout.exchanges]
    parts += [("queue", q.name, Layout(queues=(q,))) for q in layout.queues]
    bindings = [("binding", name_of(b), Layout(bindings=(b,))) for b in layout.bindings]
    if bindings and layout.stale:  # dropped together with the first that is made
        kind, name, first = bindings[0]
        bindings[0] = (kind, name, Layout(bindings=first.bindings, stale=layout.stale))
    return parts + bindings
