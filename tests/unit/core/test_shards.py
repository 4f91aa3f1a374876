"""The topology with shards: whatever there was before, what is bound afterwards is what these settings mean."""

from itertools import pairwise, permutations

import pytest

from callmq_contracts.names import Names
from callmq_worker.core.layout import CONSISTENT_HASH, SINGLE, Binding, Shards, control_lanes, layout
from callmq_worker.core.retry import parse_tiers

NAMES = Names("shop")
TIERS = parse_tiers("1s")
ACCOUNTS = ("1", "second")  # an account may be named like a number


def of(used: int, known: int):
    return layout(NAMES, TIERS, ACCOUNTS, Shards(used, known))


def bound(bindings: tuple[Binding, ...]) -> set[tuple]:
    return {(b.exchange, b.target, b.key, tuple(sorted(b.arguments.items())), b.kind) for b in bindings}


def test_one_shard_is_the_lane_itself():
    assert of(1, 1) == layout(NAMES, TIERS, ACCOUNTS) == layout(NAMES, TIERS, ACCOUNTS, SINGLE)
    assert CONSISTENT_HASH not in {e.kind for e in of(1, 1).exchanges}
    assert [lane.queue for lane in control_lanes(NAMES, "second", SINGLE)] == ["shop.control.second"]


@pytest.mark.parametrize("account", ["default", *ACCOUNTS])
def test_commands_are_spread_evenly_by_call_and_go_around_a_missing_shard(account):
    wanted = of(3, 3)
    [spreading] = [e for e in wanted.exchanges if e.name == f"shop.calls.{account}"]
    assert spreading.kind == CONSISTENT_HASH
    assert spreading.arguments == {"hash-header": "call-id", "alternate-exchange": "shop.unrouted"}
    out = [(b.target, b.key) for b in wanted.bindings if b.exchange == spreading.name]
    assert out == [(f"shop.control.{account}.{n}", "1") for n in (1, 2, 3)]
    queues = {q.name: q.arguments for q in wanted.queues}
    for name, _ in out:
        assert queues[name] == queues[NAMES.control_of(account)]
        assert queues[name]["x-single-active-consumer"] is True
    assert len(control_lanes(NAMES, account, Shards(3, 3))) == 4


def test_no_two_lanes_have_the_same_name():
    names = [q.name for q in of(3, 3).queues]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("numbers", list(permutations((1, 2, 3, 5), 3)))
def test_after_each_change_of_their_number_only_that_is_bound_that_must_be(numbers):
    there: set[tuple] = bound(of(numbers[0], numbers[0]).bindings)
    made = {q.name for q in of(numbers[0], numbers[0]).queues}
    for n, (_, used) in enumerate(pairwise(numbers)):
        after = of(used, max(numbers[: n + 2]))
        assert not bound(after.bindings) & bound(after.stale)
        there = (there - bound(after.stale)) | bound(after.bindings)
        assert there == bound(after.bindings)
        made |= {q.name for q in after.queues}
        assert made == {q.name for q in after.queues}  # what lies in those that are no longer used is still consumed
