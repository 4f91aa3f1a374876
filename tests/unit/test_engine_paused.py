"""Commands that wait because an operator said so, and a lane that does not wait for what was cancelled."""

from __future__ import annotations

import asyncio

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.memory_broker import Turn
from callmq_worker.controls import Controls
from callmq_worker.core import controls
from callmq_worker.core.controls import Scope, Target
from callmq_worker.core.outcome import Answered
from commands import DIAL, NAMED, properties
from flights import Story, again
from intents import START

MINE = Target(Scope.KEY, "order-1", "default")
SPRING = Target(Scope.CAMPAIGN, "spring")
IN_SPRING = {"headers": {"campaign": "spring", "expires-at": int((START + 7200) * 1000)}}
LIFE = 86_400.0
PRESSED = Turn(Answered(429, None, 30.0))
EVENT = EXAMPLES["calling.user_event"][0]


# Waiting in a lane


async def test_what_is_held_in_its_lane_is_cancelled_within_a_second():
    story = Story(PRESSED)
    hand = story.hand
    given = properties(EVENT["command"], headers={"expires-at": int((START + 600) * 1000)})

    async def cancels() -> None:
        await story.clock.sleep(3.5)
        await hand.tell(controls.cancel(MINE, LIFE))

    settled, _ = await asyncio.gather(story.carry(EVENT, given, ordered=True, lane="control"), cancels())
    assert (settled, story.endings) == ("acknowledged", [("cancelled", "cancelled", 1)])
    assert START + 3.5 <= story.clock.now() <= START + 4.5


# Paused


async def test_a_dial_of_a_paused_campaign_waits_in_a_tier_and_uses_up_nothing():
    story = Story()
    await story.hand.tell(controls.pause(SPRING, "rain"))
    given = properties("dial", **IN_SPRING)
    for _ in range(12):
        assert await story.carry(DIAL, given, lane="waiting") == "acknowledged"
        given = again(story.publisher.taken[-1])
        assert story.publisher.taken[-1].exchange == "callmq.retry.30s"
        story.clock._time += 30
    assert (story.record, story.dispatcher.sent) == (None, [])
    await story.hand.tell(controls.resume(SPRING))
    await story.carry(DIAL, given, lane="waiting")
    assert story.endings == [("succeeded", None, 1)]


async def test_a_paused_campaign_still_expires_answers_repeats_and_serves_its_calls():
    story = Story()
    await story.carry(DIAL, properties("dial", **IN_SPRING), lane="waiting")
    await story.hand.tell(controls.pause(SPRING, ""))
    await story.carry(DIAL, properties("dial", **IN_SPRING), lane="waiting")
    await story.carry(DIAL, properties("dial", "order-2", headers={"campaign": "spring", "expires-at": 1000}))
    await story.carry(NAMED["convergent"], properties("calling.denoise", "order-3", headers={"campaign": "spring"}))
    assert story.endings == [
        ("succeeded", None, 1),
        ("succeeded", None, 1),
        ("expired", "expired", 0),
        ("succeeded", None, 1),
    ]


async def test_an_account_that_an_operator_paused_is_not_probed_and_no_answer_resumes_it():
    story = Story()
    gates = story.hand.gates
    gates.pause("default", "http 401")
    gates.stop({"default": "invoice"})
    assert gates.reasons() == {"default": "by an operator: invoice"}
    story.clock._time += 60
    assert not gates.admit("default")
    assert gates.next_probe_in("default") is None
    assert await story.carry() == "acknowledged"
    (copy,) = story.publisher.taken
    assert copy.routing_key == "callmq.dial.default.1"  # it waits in a queue of its account
    assert gates.resume("default")
    assert not gates.works("default")
    gates.stop({"default": ""})
    assert gates.reasons() == {"default": "by an operator"}
    gates.stop({})
    assert gates.works("default")
    await story.carry(DIAL, again(copy)._replace(routing_key="dial"), lane="waiting")
    assert story.endings == [("succeeded", None, 1)]


async def test_what_is_paused_or_cancelled_takes_no_slot_of_the_pace():
    story = Story()
    engine = story.hand.engine
    read = engine.read(story.delivery(DIAL, properties("dial", "a", **IN_SPRING)), hold=False).read
    assert await engine.needs_slot(read)
    await story.hand.tell(controls.pause(SPRING, ""))
    assert not await engine.needs_slot(read)
    await story.hand.tell(controls.resume(SPRING))
    await story.hand.tell(controls.cancel(SPRING, LIFE))
    assert not await engine.needs_slot(read)
    await story.hand.tell(controls.lift(SPRING))
    assert await engine.needs_slot(read)


async def test_a_worker_has_no_word_to_go_by_unless_it_asked():
    story = Story()
    unasked = Controls(story.hand.ledger, story.clock)
    assert unasked.bars(story.hand.engine.read(story.delivery(), hold=False).read)
