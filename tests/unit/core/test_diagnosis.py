"""What `callmq doctor` makes of what it saw."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from callmq_contracts.names import Names
from callmq_worker.core import diagnosis
from callmq_worker.core.comparison import governed
from callmq_worker.core.denial import Restrictions
from callmq_worker.core.diagnosis import Check, LedgerPlace, State, exit_code
from callmq_worker.core.hosts import Hosts
from callmq_worker.core.reach import Numbers

PLACE = LedgerPlace(Path("l.db"), exists=True, writable=True, exposed=False, wal=True, free=10**10)


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((State.OK, State.WARNING), 0),
        ((State.OK, State.AWAY), 3),
        ((State.AWAY, State.WRONG), 1),
        ((), 0),
    ],
)
def test_the_exit_code_is_that_of_the_worst(states, code):
    assert exit_code([Check("x", state, "") for state in states]) == code


@pytest.mark.parametrize(
    ("queue", "state"),
    [
        ({"name": "callmq.dial", "arguments": {"x-consumer-timeout": 60_000}}, State.WRONG),
        ({"name": "callmq.dial", "effective_policy_definition": {"consumer-timeout": 89_000}}, State.WRONG),
        ({"name": "callmq.dial", "effective_policy_definition": {"consumer-timeout": 95_000}}, State.OK),
        ({"name": "other", "arguments": {"x-consumer-timeout": 1_000}}, State.OK),
        ({"name": "callmq.dial", "arguments": {}}, State.OK),
    ],
)
def test_a_delivery_must_fit_into_the_consumer_timeout(queue, state):
    assert diagnosis.consumer_timeout(30.0, [queue], Names()).state is state


def test_the_brokers_own_timeout_counts_where_nobody_sets_one():
    assert diagnosis.consumer_timeout(1_790.0, [], Names()).state is State.WRONG
    assert "can't be seen" in diagnosis.consumer_timeout(30.0, None, Names()).detail


@pytest.mark.parametrize(("off", "state"), [(0, State.OK), (5, State.WARNING), (-60, State.WRONG)])
def test_clocks_are_compared(off, state):
    assert diagnosis.clock(1000.0 + off, 1000.0).state is state


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (("RabbitMQ", "3.9.13"), State.WRONG),
        (("RabbitMQ", "3.10.8"), State.OK),
        (("RabbitMQ", "4.3.6"), State.OK),
        (("RabbitMQ", "main"), State.OK),
        (("LavinMQ", "2.0"), State.WRONG),
    ],
)
def test_versions_are_judged(said, state):
    assert diagnosis.version(*said).state is state


def test_descriptors_retention_and_nodes_are_judged():
    assert diagnosis.descriptors(256, 100).state is State.WRONG
    assert diagnosis.descriptors(1024, 100).state is State.OK
    assert diagnosis.retention(10.0, 11.0).state is State.WRONG
    assert diagnosis.retention(11.0, 11.0).state is State.OK
    assert diagnosis.alarms([{"name": "a", "mem_alarm": True}]).state is State.WRONG
    assert diagnosis.alarms([{"name": "a"}, {"name": "b", "running": False}]).state is State.WARNING
    assert diagnosis.alarms([{"name": "a", "running": True, "partitions": []}]).state is State.OK


@pytest.mark.parametrize(
    ("change", "states"),
    [
        ({}, [State.OK]),
        ({"writable": False}, [State.WRONG, State.OK]),
        ({"exposed": True}, [State.WARNING, State.OK]),
        ({"wal": False}, [State.WARNING, State.OK]),
        ({"wal": None}, [State.OK]),
        ({"free": 1000}, [State.WRONG]),
    ],
)
def test_a_ledgers_place_is_judged(change, states):
    assert [c.state for c in diagnosis.ledger_place(replace(PLACE, **change))] == states


ALL = Restrictions(
    producers=frozenset({"billing"}),
    numbers=Numbers(frozenset({"+1"}), frozenset({"+1900"})),
    from_numbers=frozenset({"+15550100"}),
    sip_hosts=Hosts(),
    url_hosts=Hosts(),
    max_price_per_minute=0.05,
)


@pytest.mark.parametrize(
    ("restrictions", "states"),
    [
        (None, [State.OK]),
        (ALL, [State.OK]),
        (replace(ALL, url_hosts=None), [State.OK, State.WARNING]),
        (Restrictions(from_numbers=frozenset()), [State.OK, State.WARNING]),
        (Restrictions(max_price_per_minute=1.0), [State.OK]),
        (Restrictions(producers=frozenset()), [State.OK, State.WARNING]),
    ],
)
def test_an_account_is_told_with_what_its_rules_leave_open(restrictions, states):
    checks = diagnosis.account("north", 0, restrictions)
    assert [c.state for c in checks] == states
    assert all("accounts.north." in c.todo for c in checks[1:])


def test_an_account_is_told_by_the_settings_that_restrict_it_and_not_by_what_they_say():
    [check] = diagnosis.account("north", 1, ALL)
    rules = "producers, allowed_prefixes, denied_prefixes, from_numbers, allowed_sip_hosts, allowed_url_hosts"
    assert check.detail.endswith(f"restricted by {rules}, max_price_per_minute")
    assert "from files" in check.detail
    [plain] = diagnosis.account("north", 0, None)
    assert "needs a restart; restricted by nothing" in plain.detail


def test_the_policy_with_the_highest_priority_governs():
    policies = [
        {"pattern": "^callmq", "definition": {"max-length": 1}, "priority": 1, "apply-to": "queues"},
        {"pattern": "dead$", "definition": {"ha-mode": "all"}, "priority": 2, "apply-to": "all"},
        {"pattern": "(", "definition": {"expires": 1}, "priority": 3, "apply-to": "all"},
        {"pattern": "dial", "definition": {"expires": 1}, "priority": 3, "apply-to": "exchanges"},
    ]
    operator = [{"pattern": "dead", "definition": {"message-ttl": 5}, "apply-to": "quorum_queues"}]
    dead, dial = governed([{"name": "callmq.dead"}, {"name": "callmq.dial"}], policies, operator)
    assert dead["effective_policy_definition"] == {"ha-mode": "all", "message-ttl": 5}
    assert dial["effective_policy_definition"] == {"max-length": 1}
