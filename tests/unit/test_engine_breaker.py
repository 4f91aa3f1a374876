"""An endpoint that fails, seen by one delivery: what is spared, what stays in doubt, what ends all the same."""

from __future__ import annotations

import pytest

from callmq_worker.adapters.memory_broker import Turn
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent
from callmq_worker.core.record import RecordKey, State
from commands import DIAL, NAMED, properties
from flights import Story, again, waiting
from intents import START

FAILS = Turn(Answered(500))
LOST = Turn(NoAnswer("reset"), acts=True)
AWAY = Turn(NotSent("refused"))
PRESSED = Turn(Answered(429))
DAY = {"expires-at": int((START + 86_400) * 1000)}


def record(story: Story, key: str):
    return story.store.records[RecordKey("default", key)]


def live(key: str | None, **headers):
    return properties("calling.denoise", key, headers={**DAY, **headers})


async def failed(story: Story, count: int) -> None:
    """Let so many commands fail."""
    for number in range(count):
        await story.carry(NAMED["convergent"], live(f"before-{number}"))


async def tried(story: Story, body, given, times: int):
    """Carry a command so often, each time as its copy comes back."""
    for _ in range(times):
        await story.carry(body, given)
        copy = story.publisher.taken[-1]
        if not waiting(copy):
            break
        given = again(copy)
        story.clock._time += 700
    return given


async def test_the_failure_that_opens_it_uses_up_no_attempt_and_keeps_its_doubt():
    story = Story(*[FAILS] * 5)
    await failed(story, 5)
    assert [record(story, f"before-{n}").spared for n in range(5)] == [0, 0, 0, 0, 1]
    assert all(record(story, f"before-{n}").doubt for n in range(5))
    assert not story.hand.gates.works("default")
    await story.carry(NAMED["convergent"], live("next"))
    assert RecordKey("default", "next") not in story.store.records
    assert len(story.dispatcher.sent) == 5


@pytest.mark.parametrize("turn", [FAILS, LOST, AWAY, PRESSED], ids=["5xx", "lost", "away", "pressed"])
@pytest.mark.parametrize("key", ["order-1", None])
async def test_a_command_alone_outlives_any_number_of_failures(turn, key):
    story = Story(*[turn] * 40)
    given = await tried(story, NAMED["convergent"], live(key), 40)
    assert story.replies == []
    await story.carry(NAMED["convergent"], given)
    assert (story.replies[0]["outcome"], story.replies[0]["attempts"]) == ("succeeded", 5)


@pytest.mark.parametrize("turn", [AWAY, PRESSED], ids=["away", "pressed"])
async def test_a_dial_that_was_not_sent_outlives_it_too(turn):
    story = Story(*[turn] * 40)
    given = await tried(story, DIAL, properties("dial", headers=DAY), 40)
    await story.carry(DIAL, given)
    assert (story.replies[0]["outcome"], len(story.dispatcher.acted)) == ("succeeded", 1)


@pytest.mark.parametrize("turn", [FAILS, LOST], ids=["5xx", "lost"])
async def test_a_dial_in_doubt_is_unknown_at_once_and_never_sent_again(turn):
    story = Story(*[FAILS] * 5, turn)
    await failed(story, 5)
    story.clock._time += 15
    await story.carry(DIAL, properties("dial", headers=DAY), lane="waiting")
    assert story.record.state is State.UNKNOWN
    await story.carry(DIAL, properties("dial", headers=DAY), lane="waiting")
    assert [r["outcome"] for r in story.replies] == ["unknown", "unknown"]
    assert len(story.dispatcher.sent) == 6


async def test_where_others_are_taken_the_attempts_of_what_fails_end():
    story = Story(*[FAILS, Turn(Answered(200), acts=True)] * 8, FAILS)
    given = live("order-1")
    for number in range(8):
        await story.carry(NAMED["convergent"], given)
        given = again(next(p for p in reversed(story.publisher.taken) if waiting(p)))
        await story.carry(NAMED["convergent"], live(f"other-{number}"))
        story.clock._time += 700
    story_end = [r for r in story.replies if r["idempotency_key"] == "order-1"]
    assert [(r["outcome"], r["attempts"]) for r in story_end] == [("unknown", 8)]


@pytest.mark.parametrize(("turn", "outcome"), [(AWAY, "failed"), (LOST, "unknown")])
async def test_a_lifetime_that_passes_meanwhile_ends_it(turn, outcome):
    story = Story(*[turn] * 100)
    ends = {"expires-at": int((START + 6000) * 1000)}
    await tried(story, NAMED["convergent"], live("order-1", **ends), 100)
    assert [r["outcome"] for r in story.replies] == [outcome]
    assert 1 <= story.replies[0]["attempts"] <= 5
    assert story.clock.now() < START + 7000


async def test_a_storm_of_429_lets_a_command_on_a_call_wait_for_seconds_only():
    story = Story(*[PRESSED] * 60)
    for number in range(50):
        await story.carry(DIAL, properties("dial", f"dial-{number}", headers=DAY), lane="waiting")
    began = story.clock.now()
    await story.carry(NAMED["convergent"], live("on-call"), ordered=True, lane="control")
    assert story.replies[-1]["outcome"] == "succeeded"
    assert story.clock.now() - began < 60


async def test_without_a_budget_a_command_on_a_call_waits_five_seconds_at_a_time():
    story = Story(PRESSED, PRESSED)
    while story.hand.gates.spend(story.hand.engine.read(story.delivery(NAMED["convergent"]), hold=True).read):
        pass
    began = story.clock.now()
    await story.carry(NAMED["convergent"], live("on-call"), ordered=True, lane="control")
    assert (story.replies[-1]["outcome"], story.clock.now() - began) == ("succeeded", 10.0)
