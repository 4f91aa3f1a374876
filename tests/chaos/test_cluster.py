"""The leader of a cluster of three is killed under load: nothing lost, nothing doubled, and on again by itself."""

import asyncio

import pytest

from chaos.campaign import Order
from chaos.cluster import run
from chaos.cluster_cases import CASES
from chaos.cluster_nodes import Cluster, lacking


@pytest.mark.timeout(240)
def test_a_killed_leader_costs_nothing():
    if why := lacking():
        pytest.skip(why)
    cases = tuple(case for case in CASES if case.name == "kill_leader")
    with Cluster() as cluster:
        result = asyncio.run(run(cases, cluster, Order(seed=3, workers=2), print))
    # How fast is for `make chaos-cluster` to say, on a machine that does nothing else.
    late = [breach for breach in result.breaches if breach.startswith("kill_leader: nothing of lane")]
    assert [breach for breach in result.breaches if breach not in late] == []
    assert result.counts["confirmed"] > 500
    assert {lane for lane, seconds in result.resumed[0].items() if seconds < 15} == {"dial", "call"}
