"""Rows of lanes: what waits, how fast it goes, when it is empty and why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callmq_worker.core.berths import Berth
from callmq_worker.core.controls import Pause, Scope, Standing, Target
from callmq_worker.core.flow import CampaignPace, Flow, Pace, Rates
from callmq_worker.core.pacing import Paces
from callmq_worker.core.view import (
    COLUMNS,
    MISSING,
    UNATTENDED,
    AccountView,
    Depth,
    Outlook,
    account_rows,
    flat,
    shared_row,
    span,
)

NOW = 1_800_000_000.0
OUTLOOK = Outlook(Rates(Pace(1.0), campaigns={"slow": CampaignPace(rate=0.25)}), NOW)
OPEN = Depth(0, consumers=2, in_flight=1)
SPRING, SLOW = Flow("normal", "spring"), Flow("normal", "slow")


def view(*queues, control=OPEN, **more):
    waiting = {f"q{n}": depth for n, (_, depth) in enumerate(queues, 1)}
    return AccountView("north", {"c": control}, waiting, tuple(Berth(flows, NOW) for flows, _ in queues), **more)


BOTH = view(((SPRING,), Depth(75, in_flight=0)), ((SLOW,), Depth(25, in_flight=1, oldest=NOW - 90)))


def paused(scope, name, why=""):
    return replace(OUTLOOK, standing=Standing(paused={Target(scope, name): Pause(NOW, why)}))


def told(rows, *names):
    return [tuple(row[name] for name in names) for row in rows]


def test_the_accounts_row_has_all_its_waiting_dials_and_its_whole_pace():
    rows = account_rows(BOTH, OUTLOOK)
    assert told(rows, "kind", "lane", "waiting", "in_flight", "pace", "drained_in") == [
        ("account", None, 100, 2, 1.0, 100),
        ("control", "c", 0, 1, None, None),
        ("waiting", "q1", 75, 0, 0.75, 100),
        ("waiting", "q2", 25, 1, 0.25, 100),
    ]
    assert (rows[0]["age"], rows[0]["oldest"], rows[3]["age"]) == (90, "2027-01-15T07:58:30.000Z", 90)
    assert {row["paused"] for row in rows} == {None}
    assert len({tuple(row) for row in rows}) == 1


def test_what_the_broker_does_not_say_is_unknown():
    rows = account_rows(view(((SPRING,), Depth(1))), OUTLOOK)
    assert told(rows, "in_flight", "age") == [(None, None), (1, None), (None, None)]
    gone = account_rows(view(((SPRING,), Depth(None)), control=Depth(0, 1, 0)), OUTLOOK)
    assert told(gone, "waiting", "in_flight", "paused") == [(0, 0, None), (0, 0, None), (None, None, MISSING)]


def test_without_waiting_dials_it_has_its_pace_and_an_unpaced_one_has_none():
    assert told(account_rows(view(), OUTLOOK)[:1], "pace", "drained_in") == [(1.0, 0)]
    unpaced = replace(OUTLOOK, rates=Rates(Pace(0.0)))
    assert told(account_rows(view(), unpaced)[:1], "pace", "drained_in") == [(None, 0)]
    assert told(account_rows(BOTH, unpaced), "pace", "drained_in")[2:] == [(None, 0), (None, 0)]


def test_a_paused_campaign_stands_and_the_other_has_all_the_pace():
    rows = account_rows(BOTH, paused(Scope.CAMPAIGN, "slow", "no agents"))
    assert told(rows, "pace", "drained_in", "paused") == [
        (1.0, 75, None),
        (None, None, None),
        (1.0, 75, None),
        (0.0, None, "campaign slow by an operator: no agents"),
    ]


def test_a_queue_that_two_campaigns_share_goes_on_when_one_is_paused():
    rows = account_rows(view(((SPRING, SLOW), Depth(10))), paused(Scope.CAMPAIGN, "slow"))
    assert told(rows, "pace", "paused")[2] == (1.0, "campaign slow by an operator")
    assert rows[2]["flows"] == [
        {"rank": "normal", "campaign": "spring", "number": None},
        {"rank": "normal", "campaign": "slow", "number": None},
    ]


def test_a_paused_account_stands_whole():
    rows = account_rows(BOTH, paused(Scope.ACCOUNT, "north", "audit"))
    assert told(rows, "pace", "drained_in", "paused") == [
        (0.0, None, "by an operator: audit"),
        (None, None, "the account"),
        (0.0, None, "the account"),
        (0.0, None, "the account"),
    ]


def test_an_account_that_some_workers_cant_use_goes_on_and_one_that_none_can_stands():
    some = account_rows(replace(BOTH, troubles=("http 401 (1 worker)",)), OUTLOOK)
    assert told(some, "pace", "paused")[0] == (1.0, "http 401 (1 worker)")
    assert told(some, "paused")[1:] == [(None,)] * 3
    none = account_rows(replace(BOTH, troubles=("http 401 (3 workers)",), control={"c": Depth(4)}), OUTLOOK)
    assert told(none, "pace", "drained_in", "paused")[0] == (0.0, None, "http 401 (3 workers)")
    assert told(none, "paused")[1:] == [("the account",)] * 3


def test_without_any_worker_it_says_so():
    rows = account_rows(replace(BOTH, control={"c": Depth(4)}), OUTLOOK)
    assert rows[0]["paused"] == "no worker works for it"
    assert rows[0]["pace"] == 0.0


def test_pressure_slows_down_and_a_wait_is_told():
    slow = account_rows(replace(BOTH, paces=Paces({}, 0.5, NOW, NOW)), OUTLOOK)
    assert told(slow, "pace", "drained_in")[0] == (0.5, 200)
    assert told(slow, "pace")[2:] == [(0.375,), (0.125,)]
    closed = account_rows(replace(BOTH, paces=Paces({}, 1.0, NOW, NOW + 60)), OUTLOOK)
    assert told(closed, "drained_in", "paused") == [
        (160, "the endpoint wants no dial before 2027-01-15T08:01:00.000Z"),
        (None, None),
        (160, "the account"),
        (160, "the account"),
    ]


def test_no_number_is_shown_unless_that_is_asked_for():
    flow = Flow("high", "call +15550100123", "0123456789abcdef")
    outlook = paused(Scope.CAMPAIGN, "call +15550100123", "ask +15550100124")
    row = account_rows(view(((flow,), Depth(1))), outlook)[2]
    assert "55501001" not in str(row) + str(flat(row))
    assert flat(row)["flows"] == "high call ***23 #0123"
    bare = account_rows(view(((flow,), Depth(1))), replace(outlook, masked=False))[2]
    assert bare["flows"][0]["campaign"] == "call +15550100123"


@pytest.mark.parametrize(
    ("depth", "consumed", "why"),
    [
        (Depth(5), True, UNATTENDED), (Depth(5, 1), True, None), (Depth(0), True, None), (Depth(5), False, None),
        (Depth(None), True, MISSING),
    ],
)  # fmt: skip
def test_a_shared_lane_says_when_nobody_takes_from_it(depth, consumed, why):
    row = shared_row("dial", "callmq.dial", depth, NOW, consumed=consumed)
    assert (row["account"], row["waiting"], row["paused"]) == (None, depth.waiting, why)


def test_a_table_has_words_for_spans_and_every_column():
    rows = [flat(row) for row in account_rows(BOTH, OUTLOOK)]
    assert told(rows, "lane", "flows", "pace", "drained_in", "oldest")[0] == ("account", None, "1/s", "100 s", "90 s")
    assert all(set(COLUMNS) <= set(row) for row in rows)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 m"), (7199, "120 m"), (7200, "2 h"), (100_000, "28 h"), (1e6, "12 d")],
)
def test_spans(seconds, words):
    assert span(seconds) == words
