"""A short campaign: nothing lost, nothing doubled, no reply that the endpoint's journal contradicts."""

import pytest

from chaos.campaign import Order, run
from chaos.kinds import KINDS, schedule
from chaos.table import table

BRIEF = (
    "kill_holding", "kill_holder", "terminate_holder", "kill_after_the_mark", "kill_after_the_record",
    "close_channels", "acknowledgement_timeout", "sleep", "terminate", "reset_after_reading",
    "full_replies", "lock_ledger",
)  # fmt: skip


@pytest.mark.timeout(300)  # on a machine that others use as well
async def test_a_short_campaign_keeps_every_promise(private_node, amqp_url):
    order = Order(seed=7, commands=1200, faults=len(BRIEF), healthy=150, only=BRIEF)
    result = await run(order, private_node, amqp_url)
    assert not result.breaches, "\n".join([f"kept in {result.folder}", table(result), *result.breaches])
    assert len(result.struck) == order.faults
    assert result.counts["confirmed"] >= order.commands
    assert result.doubts.get("healthy", 0) == 0
    assert result.outcomes["succeeded"] > order.commands / 2
    assert {by for by, _ in result.failover} == {"SIGKILL", "SIGTERM"}


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_has_one_schedule_and_leaves_no_kind_out(seed):
    twice = [schedule(seed, 80), schedule(seed, 80)]
    assert twice[0] == twice[1]
    assert {kind.name for kind in twice[0]} == set(KINDS)
    assert not any(kind.sweeps for kind in twice[0][40:])
