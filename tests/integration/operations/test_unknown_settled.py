"""``callmq unknown`` on what was settled while it lay parked: the record stands, and no body is lost."""

from __future__ import annotations

import orjson
import pytest

from callmq_worker.core import guard
from doubt import DIAL, depth, doubtful, transact


@pytest.mark.parametrize("act", [("--outcome", "succeeded"), ("--dispatch-again", "--yes")], ids=["resolve", "again"])
async def test_one_that_was_rejected_meanwhile_keeps_its_body_among_the_dead(w, callmq, act):
    async with w.working():
        first = await doubtful(w, "k1")
    problem = {"code": "refused", "detail": "The endpoint refused it with status 400.", "errors": []}
    late = {**first, "outcome": "rejected", "problem": problem, "reply_id": "of the late answer"}
    # A worker that slept wakes with the answer, records it, and is killed before it keeps the dead copy.
    assert await transact(w, "k1", guard.resolve(lambda _record, _sequence: orjson.dumps(late)))
    ran = await callmq("unknown", "resolve", "k1", *act)
    assert ran.code == 1
    assert "settled meanwhile" in ran.err
    dead = await w.one("callmq.dead")
    assert orjson.loads(dead.body) == DIAL
    assert (dead.headers["callmq-outcome"], dead.headers["callmq-reply-id"]) == ("rejected", "of the late answer")
    assert (await depth(w), w.acted("k1")) == (0, 1)
