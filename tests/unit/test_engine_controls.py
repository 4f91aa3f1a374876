"""Cancelled and paused commands through engine, settler and flight: what is answered, what waits, what never leaves."""

from __future__ import annotations

import asyncio

import pytest

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.memory_broker import Turn
from callmq_worker.controls import PATIENCE
from callmq_worker.core import controls, guard
from callmq_worker.core.controls import NOTE, Scope, Target
from callmq_worker.core.outcome import Answered, NoAnswer, Withheld
from callmq_worker.core.record import State
from commands import CALL_ID, DIAL, NAMED, properties
from flights import KEY, Story, again, delivery, kept, waiting
from intents import START
from world import until

MINE = Target(Scope.KEY, "order-1", "default")
SPRING = Target(Scope.CAMPAIGN, "spring")
CALL = Target(Scope.CALL, CALL_ID.lower())
IN_SPRING = {"headers": {"campaign": "spring", "expires-at": int((START + 7200) * 1000)}}
LIFE = 86_400.0
PRESSED = Turn(Answered(429, None, 30.0))
EVENT = EXAMPLES["calling.user_event"][0]
LOST = Turn(NoAnswer("reset"))


# Before anything was sent


@pytest.mark.parametrize("target", [MINE, SPRING], ids=["key", "campaign"])
async def test_a_cancelled_dial_is_answered_and_never_asks_the_endpoint(target):
    story = Story()
    await story.hand.tell(controls.cancel(target, LIFE))
    assert await story.carry(DIAL, properties("dial", **IN_SPRING, correlation_id="c-1")) == "acknowledged"
    assert story.endings == [("cancelled", "cancelled", 0)]
    assert "dispatch" not in story.words
    assert not [p for p in story.publisher.taken if kept(p)]
    (reply,) = story.publisher.taken
    assert (reply.routing_key, reply.correlation_id) == ("-.dial.cancelled", "c-1")
    assert story.replies[0]["problem"]["detail"] == f"Its {target.scope.value} was cancelled before it was dispatched."
    assert (story.record.state, story.record.attempt) == (State.CLOSED, 0)


@pytest.mark.parametrize("safety", ["guarded", "convergent", "safe"])
async def test_a_cancelled_call_takes_no_command_any_more(safety):
    story, body = Story(), NAMED[safety]
    await story.hand.tell(controls.cancel(CALL, LIFE))
    await story.carry(body)
    assert story.endings == [("cancelled", "cancelled", 0)]
    assert story.dispatcher.sent == []


async def test_a_cancelled_call_does_not_even_end():
    story = Story()
    await story.hand.tell(controls.cancel(CALL, LIFE))
    await story.carry({**EXAMPLES["calling.end"][0], "id": CALL_ID.upper()}, properties("calling.end"))
    assert story.endings == [("cancelled", "cancelled", 0)]


async def test_what_others_named_goes_on():
    story = Story()
    for target in (Target(Scope.KEY, "order-1", "second"), Target(Scope.CAMPAIGN, "autumn"), CALL):
        await story.hand.tell(controls.cancel(target, LIFE))
    await story.carry(DIAL, properties("dial", **IN_SPRING), lane="waiting")
    assert story.endings == [("succeeded", None, 1)]


async def test_a_cancelled_key_that_comes_again_gets_its_stored_reply_also_after_the_cancellation():
    story = Story()
    await story.hand.tell(controls.cancel(MINE, LIFE))
    await story.carry()
    await story.carry()
    await story.hand.tell(controls.lift(MINE))
    await story.carry()
    first, *others = story.replies
    assert others == [{**first, "replayed": True}] * 2
    assert story.dispatcher.sent == []


async def test_a_key_that_has_its_outcome_keeps_it():
    story = Story()
    await story.carry()
    await story.hand.tell(controls.cancel(MINE, LIFE))
    await story.carry()
    assert story.endings == [("succeeded", None, 1)] * 2
    assert story.replies[1]["replayed"]


async def test_a_cancelled_key_with_another_body_is_still_a_conflict():
    story = Story()
    await story.hand.tell(controls.cancel(MINE, LIFE))
    await story.carry()
    await story.carry({**DIAL, "params": {**DIAL["params"], "timeout": 17}})
    assert story.endings[1][:2] == ("rejected", "idempotency_conflict")


async def test_without_a_key_it_is_cancelled_by_its_call_and_leaves_no_record():
    story = Story()
    await story.hand.tell(controls.cancel(CALL, LIFE))
    await story.carry(NAMED["convergent"], properties("calling.denoise", None))
    assert story.endings == [("cancelled", "cancelled", 0)]
    assert set(story.store.records) == {NOTE}


async def test_a_cancellation_comes_before_an_end_that_has_passed_and_before_a_pause():
    story = Story()
    await story.hand.tell(controls.cancel(MINE, LIFE))
    await story.hand.tell(controls.pause(SPRING, ""))
    story.hand.gates.stop({"default": ""})
    await story.carry(DIAL, properties("dial", headers={"campaign": "spring", "expires-at": 1000}))
    assert story.endings == [("cancelled", "cancelled", 0)]


# After an attempt


async def test_what_waits_in_a_tier_is_answered_when_it_is_back_though_its_time_has_not_come():
    story = Story(Turn(Answered(429, None, 7200.0)))
    await story.carry(DIAL, properties("dial", headers={"expires-at": int((START + 86_400) * 1000)}))
    (copy,) = story.publisher.taken
    assert copy.exchange == "callmq.retry.1h"
    await story.hand.tell(controls.cancel(MINE, LIFE))
    await story.carry(DIAL, again(copy))
    assert story.endings == [("cancelled", "cancelled", 1)]
    assert len(story.dispatcher.sent) == 1


@pytest.mark.parametrize("key", ["order-1", None])
async def test_what_may_have_been_done_is_unknown(key):
    story = Story(LOST)
    await story.carry(NAMED["convergent"], properties("calling.denoise", key))
    (copy,) = story.publisher.taken
    assert waiting(copy)
    await story.hand.tell(controls.cancel(CALL, LIFE))
    await story.carry(NAMED["convergent"], again(copy))
    assert story.endings == [("unknown", "outcome_unknown", 1)]
    assert [p.routing_key for p in story.publisher.taken if kept(p)] == ["callmq.unknown"]


@pytest.mark.parametrize(("state", "outcome"), [(State.HELD, "cancelled"), (State.SENDING, "unknown")])
async def test_what_a_lost_worker_held_is_cancelled_and_what_it_was_sending_is_unknown(state, outcome):
    story = Story()
    claimed = []

    async def claims(_request, leave):
        if state is State.SENDING:
            assert await leave()
        claimed.append(story.record)
        raise asyncio.CancelledError

    story.dispatcher.dispatch = claims
    with pytest.raises(asyncio.CancelledError):
        await story.carry()
    assert claimed[0].state is state
    await story.hand.tell(controls.cancel(MINE, LIFE))
    await story.carry()  # its lease lives: another may be at it
    assert story.endings == []
    story.clock._time += 46
    await story.carry(DIAL, again(story.publisher.taken[-1]))
    assert [r["outcome"] for r in story.replies] == [outcome]


async def test_a_command_in_flight_is_not_cancelled():
    story = Story()
    dispatch = story.dispatcher.dispatch

    async def cancelled_meanwhile(request, leave):
        answer = await dispatch(request, leave)
        await story.hand.tell(controls.cancel(MINE, LIFE))
        return answer

    story.dispatcher.dispatch = cancelled_meanwhile
    await story.carry()
    assert story.endings == [("succeeded", None, 1)]


# Before the first byte


@pytest.mark.parametrize(
    ("safety", "moment"), [*((safety, "before the mark") for safety in NAMED), ("unsafe", "during the mark")]
)
async def test_nothing_leaves_once_the_cancellation_is_known(safety, moment, monkeypatch):
    story, body = Story(), NAMED[safety]
    target = MINE if safety == "unsafe" else CALL
    cancelling = controls.cancel(target, LIFE)

    async def dispatch(_request, leave):
        if moment == "before the mark":
            await story.hand.tell(cancelling)
        assert not await leave()
        return Withheld()

    mark = guard.mark_sending

    def marked_late(*told_to):
        step = mark(*told_to)

        def late(record, now):
            story.hand.controls.standing = controls.read(cancelling(None, now)[0])
            return step(record, now)

        return late

    if moment == "during the mark":
        monkeypatch.setattr(guard, "mark_sending", marked_late)
    story.dispatcher.dispatch = dispatch
    assert await story.carry(body) == "acknowledged"
    assert story.endings == [("cancelled", "cancelled", 0)]
    assert story.store.records[KEY].state is State.CLOSED


async def test_what_is_withheld_after_a_doubtful_attempt_is_unknown():
    story = Story(LOST)
    await story.carry(NAMED["convergent"])
    (copy,) = story.publisher.taken

    async def dispatch(_request, leave):
        await story.hand.tell(controls.cancel(MINE, LIFE))
        assert not await leave()
        return Withheld()

    story.dispatcher.dispatch = dispatch
    story.clock._time += 5
    await story.carry(NAMED["convergent"], again(copy))
    assert story.endings == [("unknown", "outcome_unknown", 1)]


async def test_who_has_heard_nothing_for_too_long_sends_nothing_and_claims_nothing():
    story = Story()
    hand = story.hand
    hand.engine.tools.controls.patience = PATIENCE
    await hand.controls.look()
    with_leave = story.dispatcher.dispatch

    async def slept(request, leave):
        story.clock._time += PATIENCE + 0.1
        return await with_leave(request, leave)

    story.dispatcher.dispatch = slept
    body = NAMED["convergent"]
    await story.carry(body)
    assert (story.dispatcher.sent, story.record.state) == ([], State.FREE)
    (copy,) = story.publisher.taken
    taken = delivery(story.clock, body, again(copy))
    carrying = asyncio.create_task(hand.carry(taken))
    await until(lambda: hand.flight.ledger_fault is not None)
    assert "could not be asked" in hand.flight.ledger_fault
    hand.flight.recall()
    await carrying
    assert (taken.receipt.settled, story.record.attempt) == ("given back", 1)
