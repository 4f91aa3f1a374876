"""One delivery through engine and settler: the order of things, what is withheld, what has no key."""

from __future__ import annotations

import orjson
import pytest

from callmq_worker.adapters.memory_broker import Turn
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent, Withheld
from callmq_worker.core.record import State
from commands import DIAL, NAMED, properties
from flights import Story, again, kept, waiting
from intents import START

LOST = Turn(NoAnswer("reset"), acts=True)
REFUSED = Turn(Answered(400))


def order_of(words: list[str]) -> list[str]:
    """Return the effects, each once, without what is between them."""
    return [w for w in words if w in ("transacted", "leave", "answer", "no answer", "published", "acknowledged")]


# Record, publish, acknowledge


async def test_a_dial_is_claimed_marked_sent_recorded_published_acknowledged():
    story = Story()
    assert await story.carry() == "acknowledged"
    assert order_of(story.words) == [
        "transacted", "transacted", "leave", "answer", "transacted", "published", "acknowledged",
    ]  # fmt: skip
    assert story.replies[0]["outcome"] == "succeeded"
    assert story.record.state is State.CLOSED


async def test_what_is_not_unsafe_needs_no_mark():
    story = Story()
    assert await story.carry(NAMED["convergent"]) == "acknowledged"
    assert order_of(story.words) == ["transacted", "leave", "answer", "transacted", "published", "acknowledged"]


@pytest.mark.parametrize("turn", [REFUSED, LOST], ids=["rejected", "unknown"])
async def test_the_copy_is_kept_before_the_reply_goes_out(turn):
    story = Story(turn)
    await story.carry()
    assert [kept(p) for p in story.publisher.taken] == [True, False]
    assert story.words[-5:] == ["published", "publish", "published", "acknowledge", "acknowledged"]


async def test_what_is_put_off_is_freed_copied_and_acknowledged():
    story = Story(Turn(Answered(429, None, 4.0)))
    assert await story.carry() == "acknowledged"
    (copy,) = story.publisher.taken
    assert copy.exchange == "callmq.retry.5s"
    assert (story.record.state, story.record.spared) == (State.FREE, 0)
    story.clock._time += 5
    assert await story.carry(DIAL, again(copy)) == "acknowledged"
    sorted_into = story.publisher.taken[-1]  # the endpoint asked for less a moment ago: dials go one by one
    assert (sorted_into.exchange, sorted_into.routing_key) == ("", "callmq.dial.default.1")
    fetched = again(sorted_into)._replace(routing_key="dial")
    assert await story.carry(DIAL, fetched, lane="waiting") == "acknowledged"
    assert (story.replies[0]["outcome"], story.replies[0]["attempts"]) == ("succeeded", 2)


@pytest.mark.parametrize(("told", "hops"), [(7200.0, [3600, 3600, 5]), (3600.5, [3600, 5]), (3601.0, [3600, 5])])
async def test_a_copy_that_comes_back_too_early_waits_again(told, hops):
    story = Story(Turn(Answered(429, None, told)))
    headers = {"expires-at": int((START + 86_400) * 1000)}
    await story.carry(DIAL, properties("dial", headers=headers))
    for hop in hops:
        assert len(story.dispatcher.sent) == 1
        story.clock._time += hop
        await story.carry(DIAL, again(story.publisher.taken[-1]))
    assert len(story.dispatcher.sent) == 2
    assert story.clock.now() >= START + told


async def test_a_repeat_gets_the_same_reply_and_nothing_is_sent():
    story = Story()
    for _ in range(3):
        await story.carry()
    first, *others = story.replies
    assert others == [{**first, "replayed": True}] * 2
    assert len(story.dispatcher.sent) == 1


async def test_the_same_key_with_another_body_is_a_conflict_and_changes_nothing():
    story = Story()
    await story.carry()
    record = story.record
    await story.carry({**DIAL, "params": {**DIAL["params"], "timeout": 17}})
    assert story.replies[1]["problem"]["code"] == "idempotency_conflict"
    assert (story.record, len(story.dispatcher.sent)) == (record, 1)


async def test_an_expired_command_is_never_sent_and_leaves_no_attempt():
    story = Story()
    await story.carry(DIAL, properties("dial", headers={"expires-at": int(START * 1000)}))
    assert (story.replies[0]["outcome"], story.replies[0]["attempts"]) == ("expired", 0)
    assert "dispatch" not in story.words
    assert [p.routing_key for p in story.publisher.taken if kept(p)] == ["expired.expired"]


async def test_what_breaks_its_contract_is_answered_and_asks_nobody():
    story = Story()
    assert await story.carry(b"{", properties("dial")) == "acknowledged"
    assert story.replies[0]["problem"]["code"] == "malformed"
    assert story.words == ["publish", "published"] * 2 + ["acknowledge", "acknowledged"]
    assert story.record is None


@pytest.mark.parametrize(
    ("safety", "found", "outcome"),
    [
        ("convergent", Answered(404), "succeeded"),
        ("guarded", Answered(422, {"errors": [{"code": "taken", "attribute": "control_id"}]}), "succeeded"),
        ("guarded", Answered(404), "unknown"),
    ],
)
async def test_doubt_is_remembered_until_the_next_attempt(safety, found, outcome):
    story = Story(LOST, Turn(NotSent("refused")), Turn(found))
    given = properties(NAMED[safety]["command"])
    for _ in range(3):
        await story.carry(NAMED[safety], given)
        given = again(story.publisher.taken[-1])
        story.clock._time += 5
    assert (story.replies[0]["outcome"], story.replies[0]["attempts"]) == (outcome, 3)


# Withheld


async def test_a_dial_that_expires_before_its_first_byte_ends_as_expired():
    story = Story()

    async def late(_request, leave):
        story.clock._time += 3600
        assert not await leave()
        return Withheld()

    story.dispatcher.dispatch = late
    assert await story.carry() == "acknowledged"
    assert (story.replies[0]["outcome"], story.replies[0]["attempts"]) == ("expired", 0)


@pytest.mark.parametrize("safety", NAMED)
async def test_a_worker_that_slept_past_its_lease_sends_nothing(safety):
    story = Story()
    body = NAMED[safety]
    given = properties(body["command"], headers={"expires-at": int((START + 7200) * 1000)})

    async def slept(_request, leave):
        story.clock._time += 46
        assert not await leave()
        return Withheld()

    story.dispatcher.dispatch, dispatch = slept, story.dispatcher.dispatch
    assert await story.carry(body, given) == "acknowledged"
    assert (story.record.state, story.record.attempt - story.record.spared) == (State.FREE, 0)
    story.dispatcher.dispatch = dispatch
    story.clock._time += 1
    await story.carry(body, again(story.publisher.taken[-1]))
    assert (story.replies[0]["outcome"], story.replies[0]["attempts"]) == ("succeeded", 1)


# Without a key


async def test_without_a_key_the_ledger_is_not_asked():
    story = Story()
    await story.carry(NAMED["convergent"], properties("calling.denoise", None))
    assert "transact" not in story.words
    assert (story.replies[0]["outcome"], story.replies[0]["idempotency_key"]) == ("succeeded", None)


async def test_without_a_key_attempts_and_doubt_travel_with_the_copy():
    story = Story(LOST, Turn(NotSent("refused")), Turn(Answered(404)))
    given = properties("calling.denoise", None, headers={"expires-at": int((START + 86_400) * 1000)})
    for _ in range(3):
        await story.carry(NAMED["convergent"], given)
        given = again(story.publisher.taken[-1])
        story.clock._time += 30
    assert [p.headers["callmq-attempts"] for p in story.publisher.taken if waiting(p)] == [1, 2]
    assert [p.headers["callmq-doubt"] for p in story.publisher.taken if waiting(p)] == [True, True]
    assert (story.replies[0]["outcome"], story.replies[0]["attempts"]) == ("succeeded", 3)


@pytest.mark.parametrize(
    ("turn", "outcome", "code"),
    [(LOST, "unknown", "outcome_unknown"), (Turn(NotSent("no")), "failed", "retries_exhausted")],
)
async def test_without_a_key_the_attempts_end_too(turn, outcome, code):
    story = Story(turn, turn, turn, max_attempts=2)
    given = properties("calling.denoise", None, headers={"expires-at": int((START + 86_400) * 1000)})
    for _ in range(2):
        await story.carry(NAMED["convergent"], given)
        given = again(story.publisher.taken[-1])
        story.clock._time += 30
    reply = story.replies[0]
    assert (reply["outcome"], reply["problem"]["code"], reply["attempts"]) == (outcome, code, 2)
    assert orjson.loads(story.publisher.taken[-2].body) == NAMED["convergent"]


async def test_without_a_key_a_redelivery_may_follow_an_attempt():
    story = Story(Turn(Answered(404)))
    await story.carry(NAMED["convergent"], properties("calling.denoise", None), redelivered=True)
    assert story.replies[0]["outcome"] == "succeeded"
