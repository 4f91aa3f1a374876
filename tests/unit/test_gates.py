"""Each account has gates of its own: what stops one stops no other."""

from __future__ import annotations

import asyncio

import pytest

from callmq_worker.adapters.memory import ManualClock, MemoryLedger
from callmq_worker.core.breaker import LEAST_SEEN
from callmq_worker.core.outcome import Answered, NoAnswer, NotSent, Withheld, judge
from callmq_worker.core.settle import Attempt
from callmq_worker.gates import PATIENCE, Gates
from callmq_worker.pacing import Pacing
from callmq_worker.ports import LedgerAwayError
from commands import NAMED, accepted

FAILS, REFUSED, DONE = Answered(500), Answered(401), Answered(200)
PRESSED = Answered(429, None, 30.0)


class Told:
    """Gates, and what they are told."""

    def __init__(self) -> None:
        self.clock = ManualClock(chances=(0.0,))
        self.ledger = MemoryLedger(self.clock.now)
        self.gates = Gates(self.clock, 15.0, Pacing(self.ledger, self.clock))
        self.changes = 0
        self.gates.changed = self.change

    def change(self) -> None:
        self.changes += 1

    async def answer(self, answer, key="a", *, account="default", body=NAMED["convergent"], used=1, ago=0.0) -> bool:
        read = accepted(body, key, headers={"account": account})
        verdict = judge(answer, read.command.safety, doubt=False)
        begun = self.clock.monotonic() - ago
        self.clock._time += 1e-3
        return await self.gates.heard(Attempt(read, used, False, None), answer, verdict, begun)

    async def opened(self) -> None:
        for number in range(5):
            await self.answer(FAILS, f"k{number}")
        assert not self.gates.works("default")


@pytest.fixture
def told() -> Told:
    return Told()


# Pauses


async def test_a_refused_account_stops_alone_and_one_probe_goes_each_interval(told):
    await told.answer(REFUSED)
    gates = told.gates
    assert (gates.reasons(), gates.pauses("default"), gates.pauses("second")) == ({"default": "http 401"}, 1, 0)
    assert (gates.works("second"), gates.works("default"), gates.admit("second")) == (True, False, True)
    assert not gates.admit("default")
    told.clock._time += gates.next_probe_in("default")
    assert [gates.admit("default", key) for key in "abc"] == [True, False, False]
    assert gates.next_probe_in("default") == pytest.approx(15.0)
    assert gates.next_probe_in("second") == 0.0


async def test_what_an_operator_paused_is_not_probed_and_no_answer_lets_it_work(told):
    gates = told.gates
    gates.stop({"default": "invoice unpaid"})
    told.clock._time += 1e9
    assert not gates.admit("default")
    assert gates.next_probe_in("default") is None
    assert gates.reasons() == {"default": "by an operator: invoice unpaid"}
    await told.answer(DONE)
    assert not gates.works("default")
    gates.stop({})
    assert gates.works("default")
    assert told.changes == 2


async def test_what_is_new_about_an_account_is_tried_at_once(told):
    await told.answer(REFUSED)
    assert not told.gates.admit("default", "a")
    told.gates.hasten("default")
    assert told.gates.admit("default", "a")
    told.gates.hasten("second")
    assert told.gates.works("second")


async def test_a_probe_that_is_done_or_pressed_resumes(told):
    for answer in (DONE, PRESSED, Answered(404)):
        await told.answer(REFUSED)
        told.clock._time += 15
        assert told.gates.admit("default", "a")
        await told.answer(answer)
        assert told.gates.works("default")


async def test_what_was_on_its_way_before_the_pause_says_nothing(told):
    await told.answer(REFUSED)
    told.clock._time += 2
    await told.answer(DONE, ago=5.0)
    assert not told.gates.works("default")
    await told.answer(DONE)
    assert told.gates.works("default")


async def test_a_probe_that_was_not_sent_leaves_its_turn_to_another(told):
    await told.answer(REFUSED)
    told.clock._time += 15
    assert told.gates.admit("default", "a")
    told.gates.waive("default", "b")
    assert not told.gates.admit("default", "c")
    told.gates.waive("default", "a")
    assert told.gates.admit("default", "c")
    told.gates.waive("second", "x")
    assert told.gates.works("second")


# The breaker


async def test_a_failing_endpoint_stops_its_account_and_the_first_success_lets_all_go(told):
    for number in range(4):
        assert not await told.answer(FAILS, f"k{number}")
    assert await told.answer(FAILS, "k4")
    gates = told.gates
    assert gates.paused == {"default": "endpoint fails: http 500"}
    assert gates.works("second")
    waits = []
    for number in range(6):
        waits.append(round(gates.next_probe_in("default"), 1))
        told.clock._time += gates.next_probe_in("default")
        assert gates.admit("default", f"p{number}")
        assert not gates.admit("default", "other")
        assert await told.answer(NoAnswer("reset"), f"p{number}")
    assert waits == [1, 2, 4, 8, 15, 15]
    assert gates.pauses("default") == 7
    assert not await told.answer(DONE, "last")
    assert (gates.paused, gates.admit("default")) == ({}, True)
    assert not await told.answer(FAILS)


async def test_what_was_in_flight_when_it_opened_is_spared_and_changes_nothing(told):
    await told.opened()
    pauses, wait = told.gates.pauses("default"), told.gates.next_probe_in("default")
    for number in range(50):
        assert await told.answer(FAILS, f"late{number}", ago=3.0)
    await told.answer(DONE, ago=3.0)
    assert not told.gates.works("default")
    assert told.gates.pauses("default") == pauses
    assert told.gates.next_probe_in("default") <= wait


async def test_a_command_that_failed_as_a_probe_lets_others_try_first(told):
    await told.opened()
    told.clock._time += 1.0
    assert not told.gates.admit("default", "k4")
    assert told.gates.admit("default", "new")
    await told.answer(FAILS, "new")
    told.clock._time += 2.0 + PATIENCE
    assert told.gates.admit("default", "new")


async def test_the_breaker_gives_way_to_a_refusal_of_the_account(told):
    await told.opened()
    told.clock._time += 1.0
    await told.answer(REFUSED)
    assert told.gates.paused == {"default": "http 401"}
    assert told.gates.next_probe_in("default") == pytest.approx(15.0, abs=0.01)


async def test_pressure_that_lasts_uses_up_nothing_and_stops_nobody(told):
    spared = [await told.answer(PRESSED, f"k{n}") for n in range(LEAST_SEEN * 2)]
    assert spared == [False] * 4 + [True] * (len(spared) - 4)
    assert told.gates.works("default")
    assert not await told.answer(DONE)
    assert not await told.answer(PRESSED)


# Pressure on the pace


async def reserved(told, account="default"):
    return await told.gates.pacing.reserve(account, [("", 1.0)], 1)


async def test_the_endpoint_slows_the_dials_of_its_account(told):
    await told.answer(PRESSED)
    assert (await reserved(told)).again_in == pytest.approx(29.0, abs=0.1)
    told.clock._time += 30.0
    assert (await reserved(told)).slots
    assert (await reserved(told)).again_in == pytest.approx(1.0, abs=0.1)  # half the pace: two seconds apart
    assert (await reserved(told, "second")).slots


async def test_a_storm_of_refusals_is_one_word_to_the_ledger(told):
    asked = []
    transact = told.ledger.transact
    told.ledger.transact = lambda *args: asked.append(args) or transact(*args)
    await asyncio.gather(*(told.answer(PRESSED, f"k{n}") for n in range(200)))
    assert len(asked) == 1
    await told.answer(Answered(429, None, 300.0))
    assert (len(asked), (await reserved(told)).again_in) == (2, pytest.approx(299, abs=1))


async def test_limits_used_up_by_a_success_hold_the_dials_without_slowing_them(told):
    await told.answer(Answered(200, used_up_for=8.0))
    assert (await reserved(told)).again_in == pytest.approx(7.0, abs=0.1)
    told.clock._time += 8.0
    slots = [slot - told.clock.monotonic() for _ in range(2) for slot in (await reserved(told)).slots]
    assert slots == [pytest.approx(0.0), pytest.approx(1.0)]
    assert told.gates.works("default")


async def test_without_a_retry_after_a_refusal_goes_by_the_limit(told):
    await told.answer(Answered(429, used_up_for=8.0))
    assert (await reserved(told)).again_in == pytest.approx(7.0, abs=0.1)


@pytest.mark.parametrize("answer", [DONE, FAILS, NotSent("x"), Answered(404)])
async def test_nothing_else_slows_anything(told, answer):
    await told.answer(answer)
    assert told.ledger.store.records == {}


async def test_a_ledger_that_is_away_takes_no_answer_from_anybody(told):
    async def away(*_args):
        raise LedgerAwayError("of the test")

    told.ledger.transact = away
    assert not await told.answer(PRESSED)


async def test_what_was_withheld_says_nothing(told):
    assert not await told.answer(Withheld())
    assert told.gates.works("default")


# Budgets


async def test_dials_spend_no_budget_of_live_calls_nor_of_other_accounts(told):
    dial, live = accepted(NAMED["unsafe"]), accepted(NAMED["convergent"])
    other = accepted(NAMED["unsafe"], headers={"account": "second"})
    spent = [told.gates.spend(dial) for _ in range(100)]
    assert sum(spent) == 20
    assert told.gates.spend(live)
    assert told.gates.spend(other)
    for _ in range(11):
        await told.answer(DONE, body=NAMED["unsafe"])
    assert [told.gates.spend(dial) for _ in range(2)] == [True, False]
    for _ in range(20):
        await told.answer(DONE, body=NAMED["unsafe"], used=2)
    assert not told.gates.spend(dial)
