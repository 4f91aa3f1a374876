"""``callmq unknown``: what it refuses to read, and its help."""

from __future__ import annotations

import pytest

from callmq_contracts.examples import EXAMPLE_CALL_ID


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("resolve", "k1"),
        ("resolve", "k1", "--outcome", "rejected"),
        ("resolve", "k1", "--outcome", "succeeded", "--dispatch-again"),
        ("resolve", "k1", "--outcome", "succeeded", "--note", "x"),
        ("resolve", "k1", "--outcome", "failed", "--call-id", EXAMPLE_CALL_ID),
        ("resolve", "k1", "--outcome", "succeeded", "--call-id", "no"),
        ("resolve", "k1", "--outcome", "failed", "--expires-at", "2099-01-01T00:00:00Z"),
        ("resolve", "k1", "--dispatch-again", "--yes", "--expires-at", "tomorrow"),
    ],
)
async def test_wrong_usage_touches_nothing(callmq, words):
    assert (await callmq("unknown", *words)).code == 2


@pytest.mark.parametrize("act", [(), ("list",), ("show",), ("resolve",)])
async def test_help_says_what_it_does(callmq, act):
    ran = await callmq("unknown", *act, "--help")
    assert ran.code == 0
    assert "usage: callmq unknown" in ran.out
