"""Ledger and broker away: an answer in hand is never dropped, and nothing is said before it is written down."""

from __future__ import annotations

import asyncio

import pytest

from callmq_worker.adapters.memory_broker import Turn
from callmq_worker.core.outcome import Answered, NoAnswer
from callmq_worker.core.record import State
from callmq_worker.ports import Published
from commands import DIAL, properties
from flights import Story, again, kept, waiting

LOST = Turn(NoAnswer("reset"), acts=True)
REFUSED = Turn(Answered(400))


# The ledger away


async def test_the_ledger_away_at_the_claim_sends_nothing_until_it_answers():
    story = Story()
    story.hand.ledger.away = ["before"]
    assert await story.carry() == "acknowledged"
    assert story.hand.flight.ledger_fault  # the runner shuts the lanes, and what waits here is put back
    assert [w for w in story.words if w in ("transact", "dispatch")][:3] == ["transact", "transact", "dispatch"]
    assert len(story.dispatcher.sent) == 1


async def test_a_claim_whose_word_was_lost_is_waited_for_and_sent_once():
    story = Story()
    story.hand.ledger.away = ["after"]
    assert await story.carry() == "acknowledged"
    assert waiting(story.publisher.taken[-1])
    story.clock._time += 46
    await story.carry(DIAL, again(story.publisher.taken[-1]))
    assert (story.replies[0]["outcome"], len(story.dispatcher.sent)) == ("succeeded", 1)


@pytest.mark.parametrize("word", ["before", "after"])
async def test_the_ledger_away_at_the_mark_lets_nothing_leave(word):
    story = Story()
    story.hand.ledger.away = ["", word]
    assert await story.carry() == "acknowledged"
    assert story.dispatcher.sent == []
    assert (story.record.state, story.record.spared) == (State.FREE, 1)
    assert waiting(story.publisher.taken[-1])
    story.clock._time += 1
    await story.carry(DIAL, again(story.publisher.taken[-1]))
    assert (story.replies[0]["outcome"], story.replies[0]["attempts"]) == ("succeeded", 1)


@pytest.mark.parametrize("turn", [Turn(Answered(200), acts=True), REFUSED, LOST], ids=["done", "refused", "lost"])
@pytest.mark.parametrize("words", [["before"] * 7, ["after"], ["before", "after", "after"]])
async def test_an_answer_in_hand_is_recorded_however_long_it_takes(words, turn):
    story = Story(turn)
    story.hand.ledger.away = ["", "", *words]
    assert await story.carry() == "acknowledged"
    assert story.record.reply is not None
    assert [r["replayed"] for r in story.replies] == [False]
    assert story.words.index("acknowledge") > story.words.index("published") > story.words.index("transacted")
    assert bool([p for p in story.publisher.taken if kept(p)]) == (turn.answer != Answered(200))
    assert story.hand.settler.recording_fault is None


async def test_while_the_ledger_is_away_nothing_is_published_or_acknowledged():
    story = Story()
    story.clock._auto = False
    story.hand.ledger.away = ["", "", *["before"] * 1000]
    one = story.delivery()
    task = asyncio.create_task(story.hand.carry(one))
    for _ in range(50):
        await story.clock.advance(5.0)
    assert (one.receipt.settled, story.publisher.taken) == (None, [])
    assert story.hand.settler.recording_fault
    story.hand.ledger.away = []
    await story.clock.advance(5.0)
    assert await task == "acknowledged"
    assert story.replies[0]["outcome"] == "succeeded"


# The broker away


NOT_TAKEN = [p for p in Published if p is not Published.CONFIRMED]


@pytest.mark.parametrize("word", NOT_TAKEN)
async def test_a_reply_that_can_not_leave_is_owed_and_paid_later(word):
    story = Story(results=(word,))
    assert await story.carry() == "acknowledged"
    assert (story.replies, story.record.due is not None) == ([], True)
    assert await story.hand.settler.pay() == 1
    assert [r["outcome"] for r in story.replies] == ["succeeded"]
    assert story.publisher.taken[0].routing_key == "-.dial.succeeded"
    assert await story.hand.settler.pay() == 0


@pytest.mark.parametrize("word", NOT_TAKEN)
async def test_a_repeat_is_owed_a_reply_of_its_own(word):
    story = Story(results=(word, word, Published.CONFIRMED, word))
    for name in ("first", "second"):
        await story.carry(DIAL, properties("dial", correlation_id=name))
    for _ in range(3):
        await story.hand.settler.pay()
    assert [p.correlation_id for p in story.publisher.taken] == ["first", "second"]
    assert story.record.due is None


async def test_the_reply_of_a_bad_message_is_owed_as_well():
    story = Story(results=(Published.CONFIRMED, Published.ABSENT))
    assert await story.carry(b"{", properties("dial")) == "acknowledged"
    assert await story.hand.settler.pay() == 1
    assert story.replies[0]["problem"]["code"] == "malformed"


@pytest.mark.parametrize("word", NOT_TAKEN)
async def test_a_copy_that_must_be_kept_is_tried_until_it_is_taken(word):
    story = Story(REFUSED, results=(word,) * 5)
    assert await story.carry() == "acknowledged"
    assert [kept(p) for p in story.publisher.taken] == [True, False]
    assert story.hand.mended == (5 if word in (Published.UNROUTABLE, Published.ABSENT) else 0)


async def test_once_the_channel_is_gone_nothing_more_is_published_and_the_next_delivery_says_it():
    story = Story()
    one = story.delivery()

    async def lose(_request, leave):
        assert await leave()
        one.receipt.alive = False
        return Answered(200)

    story.dispatcher.dispatch = lose
    assert await story.hand.carry(one) is None
    assert (story.publisher.taken, story.record.state) == ([], State.CLOSED)
    await story.carry(redelivered=True)
    assert [r["outcome"] for r in story.replies] == ["succeeded"]
