"""What is shown of lanes: what waits in each, how fast it goes, when it is empty, and what holds it up."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from callmq_contracts.reply import iso_time
from callmq_worker.core.berths import Berth, Berths
from callmq_worker.core.controls import NOTHING, Scope, Standing
from callmq_worker.core.drain import Queue, empty_in, speeds
from callmq_worker.core.flow import Flow, Rates
from callmq_worker.core.pacing import Paces
from callmq_worker.core.redact import mask_text

COLUMNS: Final = ("lane", "account", "flows", "waiting", "in_flight", "pace", "drained_in", "oldest", "paused")
MISSING: Final = "there is no such queue"
UNATTENDED: Final = "no worker consumes it"
_NUMBER_SHOWN: Final = 4
_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


class Depth(NamedTuple):
    """What the broker says of a queue; None for what it does not. ``oldest``: when its first message was published."""

    waiting: int | None
    consumers: int = 0
    in_flight: int | None = None
    oldest: float | None = None


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account, as broker and ledger have it at a time.

    ``control``: its control lanes by queue; ``waiting``: the queues of its waiting dials in the order of their numbers;
    ``troubles``: why workers can't send for it, a phrase each.
    """

    name: str
    control: Mapping[str, Depth]
    waiting: Mapping[str, Depth] = field(default_factory=dict)
    berths: Berths = ()
    paces: Paces = field(default_factory=lambda: Paces({}))
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What holds for all accounts: ``rates`` as the workers' settings have them, and what operators said."""

    rates: Rates
    now: float
    standing: Standing = NOTHING
    masked: bool = True

    def shown(self, text: str) -> str:
        """Return a name or an operator's words as they may be shown."""
        return mask_text(text) if self.masked else text


def account_rows(view: AccountView, outlook: Outlook) -> list[dict[str, Any]]:
    """Return an account's rows: its own, with all its waiting dials; its control lanes; the queues of those dials."""
    stopped = view.name in outlook.standing.pauses(Scope.ACCOUNT) or not _attended(view)
    queues = _queues(view, outlook)
    moving = {} if stopped else {n: q for n, q in queues.items() if q.waiting and not _all_paused(view, n, outlook)}
    wait = max(0.0, view.paces.closed_until - outlook.now)
    speed, empty = speeds(moving, outlook.rates.weight), empty_in(moving, outlook.rates.weight)
    row = _account_row(view, outlook)
    if moving:
        row |= _forecast(sum(speed.values()), wait + max(empty.values()))
    elif row["waiting"] or stopped:
        row |= _standing_still(row["waiting"])
    else:
        row |= _forecast(_own_pace(view, outlook), 0.0)
    rows = [row]
    for queue, depth in view.control.items():
        rows.append(_row("control", queue, view.name, depth, outlook.now, "the account" if stopped else None))
    for number, (queue, depth) in enumerate(view.waiting.items(), 1):
        said = _holds_queue(view, number, outlook) or ("the account" if stopped or wait else None)
        row = _row("waiting", queue, view.name, depth, outlook.now, said)
        row["flows"] = [_flow(flow, outlook) for flow in _berth(view, number).flows]
        moves = number in moving
        row |= _forecast(speed[number], wait + empty[number]) if moves else _standing_still(queues[number].waiting)
        rows.append(row)
    return rows


def shared_row(kind: str, queue: str, depth: Depth, now: float, *, consumed: bool = True) -> dict[str, Any]:
    """Return the row of a lane that all accounts share; not ``consumed``: messages leave it by themselves."""
    unattended = consumed and bool(depth.waiting) and not depth.consumers
    return _row(kind, queue, None, depth, now, UNATTENDED if unattended else None)


def _attended(view: AccountView) -> bool:
    """Say whether any worker takes what comes for an account: each that does consumes its control lanes."""
    return any(depth.consumers for depth in view.control.values())


def _account_row(view: AccountView, outlook: Outlook) -> dict[str, Any]:
    depths = view.waiting.values()
    known = [depth.in_flight for depth in (*view.control.values(), *depths) if depth.waiting is not None]
    in_flight = None if None in known else sum(each or 0 for each in known)
    ages = [depth.oldest for depth in depths if depth.oldest is not None]
    total = Depth(sum(d.waiting or 0 for d in depths), in_flight=in_flight, oldest=min(ages, default=None))
    return _row("account", None, view.name, total, outlook.now, _holds_account(view, outlook))


def _row(
    kind: str, queue: str | None, account: str | None, depth: Depth, now: float, paused: str | None
) -> dict[str, Any]:
    oldest = depth.oldest
    return {
        "kind": kind,
        "lane": queue,
        "account": account,
        "flows": None,
        "waiting": depth.waiting,
        "in_flight": depth.in_flight,
        "pace": None,
        "drained_in": None,
        "oldest": None if oldest is None else iso_time(oldest),
        "age": None if oldest is None else round(max(0.0, now - oldest)),
        "paused": MISSING if depth.waiting is None else paused,
    }


def _forecast(pace: float, seconds: float) -> dict[str, Any]:
    return {"pace": None if pace == math.inf else round(pace, 4), "drained_in": round(seconds)}


def _standing_still(waiting: int) -> dict[str, Any]:
    return {"pace": 0.0, "drained_in": None if waiting else 0}


def _own_pace(view: AccountView, outlook: Outlook) -> float:
    return outlook.rates.of(view.name).rate * view.paces.share(outlook.now) or math.inf


def _berth(view: AccountView, number: int) -> Berth:
    return view.berths[number - 1]


def _queues(view: AccountView, outlook: Outlook) -> dict[int, Queue]:
    """Return what is forecast of each queue; its first flow counts for all, as it does where turns are taken."""
    share, queues = view.paces.share(outlook.now), {}
    for number, depth in enumerate(view.waiting.values(), 1):
        flow = _berth(view, number).flows[0]
        limits = outlook.rates.limits(view.name, flow.campaign, flow.sender)
        paced = tuple((name, rate * share) for name, rate in limits if rate > 0)
        queues[number] = Queue(depth.waiting or 0, tuple(flow), paced)
    return queues


def _all_paused(view: AccountView, number: int, outlook: Outlook) -> bool:
    held = outlook.standing.pauses(Scope.CAMPAIGN)
    return all(flow.campaign in held for flow in _berth(view, number).flows)


def _holds_account(view: AccountView, outlook: Outlook) -> str | None:
    """Return what holds up an account, or its dials."""
    said = []
    held = outlook.standing.pauses(Scope.ACCOUNT)
    if view.name in held:
        said.append(_by_operator(held[view.name], outlook))
    said += view.troubles
    if view.paces.closed_until > outlook.now:
        said.append(f"the endpoint wants no dial before {iso_time(view.paces.closed_until)}")
    if not said and not _attended(view):
        said.append("no worker works for it")
    return "; ".join(said) or None


def _holds_queue(view: AccountView, number: int, outlook: Outlook) -> str | None:
    held = outlook.standing.pauses(Scope.CAMPAIGN)
    names = dict.fromkeys(flow.campaign for flow in _berth(view, number).flows if flow.campaign in held)
    return "; ".join(f"campaign {outlook.shown(n)} {_by_operator(held[n], outlook)}" for n in names) or None


def _by_operator(why: str, outlook: Outlook) -> str:
    return f"by an operator: {outlook.shown(why)}".rstrip(": ")


def _flow(flow: Flow, outlook: Outlook) -> dict[str, Any]:
    """Return a flow; of the keyed hash of its number only what tells it from others of its campaign."""
    return {
        "rank": flow.rank,
        "campaign": outlook.shown(flow.campaign) or None,
        "number": flow.sender[:_NUMBER_SHOWN] or None,
    }


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for a table: numbers with their units, flows and ages as words."""
    return {
        **row,
        "lane": row["lane"] or row["kind"],
        "flows": None if row["flows"] is None else ", ".join(_words(flow) for flow in row["flows"]),
        "pace": None if row["pace"] is None else f"{row['pace']:.3g}/s",
        "drained_in": None if row["drained_in"] is None else span(row["drained_in"]),
        "oldest": None if row["age"] is None else span(row["age"]),
    }


def _words(flow: Mapping[str, Any]) -> str:
    number = flow["number"] and f"#{flow['number']}"
    return " ".join(part for part in (flow["rank"], flow["campaign"], number) if part)


def span(seconds: float) -> str:
    """Return a span of time in the largest unit of which it has two."""
    unit, size = next((each for each in _UNITS if seconds >= 2 * each[1]), _UNITS[-1])
    return f"{seconds / size:.0f} {unit}"
