"""What paces a dial, and which dials share a line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callmq_worker.core.flow import CampaignPace, Flow, Pace, Rank, Rates, flow_of, sender_of
from commands import DIAL, SECRET, accepted

PACED = Rates(Pace(2.0, from_rate=0.5), campaigns={"spring": CampaignPace(0.1)})


def test_a_dial_is_paced_by_its_account_its_campaign_and_its_number():
    sender = sender_of(DIAL, SECRET)
    assert PACED.limits("default", "spring", sender) == (("", 2.0), ("campaign:spring", 0.1), (f"from:{sender}", 0.5))
    assert PACED.limits("default", "autumn", "") == (("", 2.0),)
    assert Rates(Pace(0.0)).limits("default", "", sender) == (("", 0.0),)


def test_no_number_can_be_read_or_guessed_from_a_flow():
    sender = sender_of(DIAL, SECRET)
    assert DIAL["params"]["from"].strip("+") not in sender
    assert sender != sender_of(DIAL, b"another secret")
    assert sender_of({"params": {"from": 7}}, SECRET) == sender_of({"params": []}, SECRET) == ""


@pytest.mark.parametrize(("given", "rank"), [(None, Rank.NORMAL), ("high", Rank.HIGH), ("bulk", Rank.BULK)])
def test_a_flow_is_a_rank_a_campaign_and_where_numbers_are_paced_a_number(given, rank):
    headers = {"campaign": "spring"} | ({"priority": given} if given else {})
    dial = accepted(DIAL, headers=headers)
    assert flow_of(dial, PACED, SECRET) == Flow(rank, "spring", sender_of(DIAL, SECRET))
    assert flow_of(dial, Rates(Pace(1.0)), SECRET) == Flow(rank, "spring")


def test_what_waited_for_a_retry_goes_before_all():
    dial = accepted(DIAL)
    dial = replace(dial, envelope=dial.envelope._replace(not_before=1.0))
    assert flow_of(dial, PACED, SECRET).rank == Rank.AGAIN
