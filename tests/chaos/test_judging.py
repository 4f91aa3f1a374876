"""The campaign's own eyes: what it takes for a breach, and how it splits what it saw."""

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from chaos.campaign import TRIES, Order, Result, late, parting, struck_by, toothless
from chaos.crew import Crew, Weight, Worker
from chaos.evidence import Evidence, script_of
from chaos.faults_lanes import FAILS_OVER_WITHIN
from chaos.kinds import IdleError, Kind, Struck, bitten
from chaos.memory import growths, slope
from chaos.traffic import BATCH, busy_calls, scripts
from journal import Receipt, Said, Sent, essence
from promises import breaches


def seen(*acted: bool, outcome: str = "succeeded", number: int = 900) -> Evidence:
    """Return what is seen of one dial: its receipts and its reply."""
    key, name = f"s{number}-0", f"{number}.0"
    document = {"idempotency_key": key, "reply_id": "r", "outcome": outcome, "http_status": 200, "attempts": len(acted)}
    document |= {"command": "dial", "call_id": "x", "response": {"id": "x"}}
    sent = Sent(name, key, "dial", b"{}", "unsafe", float("inf"))
    answer = essence(document["response"])
    receipts = [Receipt(key, "dial", float(at), each, status=200, answer=answer) for at, each in enumerate(acted)]
    reply = Said(name, {**document, "problem": None, "replayed": False})
    return Evidence([sent], receipts, [reply], [0.0], ledger={key: outcome})


def found(evidence: Evidence, phase: str = "disturbed") -> set[str]:
    journals = evidence.journals({900: phase}, "healthy")
    return {breach.partition(":")[0] for journal in journals for breach in breaches(journal)}


def test_one_dial_that_acted_once_breaks_nothing():
    assert found(seen(True)) == set()


@pytest.mark.parametrize(
    ("evidence", "promise"),
    [
        (seen(True, True), "nothing_unsafe_is_sent_twice"),
        (seen(False), "no_reply_contradicts_the_endpoint"),
        (seen(True, outcome="failed"), "no_reply_contradicts_the_endpoint"),
    ],
)
def test_what_breaks_a_promise_is_found(evidence, promise):
    assert promise in found(evidence)


def test_a_command_without_a_reply_and_what_is_left_in_a_queue_are_found():
    evidence = seen(True)
    evidence.replies.clear()
    evidence.left = {"callmq.dial": 1}
    assert found(evidence) >= {"every_command_is_answered", "every_command_is_in_its_place"}


def test_doubt_is_a_breach_in_the_healthy_phase_only():
    evidence = seen(True, outcome="unknown")
    assert "doubt_has_a_reason" in found(evidence, "healthy")
    assert "doubt_has_a_reason" not in found(evidence)


@pytest.mark.parametrize(("parted", "breaches"), [(10, 0), (11, 1)])
def test_order_that_is_given_up_often_is_a_breach(parted, breaches):
    evidence = on_one_call(*range(60))
    keys = sorted({str(sent.key) for sent in evidence.sent})
    evidence.parted = frozenset(keys[:parted])
    assert len(parting(evidence)) == breaches


async def idle(_stage, _chance):
    return bitten(0, "0 channels")


async def impossible(_stage, _chance):
    raise IdleError("not for this user", possible=False)


@pytest.mark.parametrize(("act", "times", "breaches"), [(idle, TRIES, 1), (impossible, 0, 0)])
async def test_a_fault_that_did_nothing_counts_for_none(act, times, breaches):
    told, here = [], SimpleNamespace()
    result = Result(Order(), Path())
    kind = Kind("close_channels", "broker", 1.0, act)
    assert await struck_by(kind, here, random.Random(1), result, told.append) is None
    assert (result.struck, result.idle) == ([], {"close_channels": times})
    assert "did nothing" in told[0]
    assert len(toothless(result)) == breaches
    result.struck.append(Struck(kind, 0.0, 0.0, 0.0, "1 channels"))
    assert toothless(result) == []


def test_a_lane_that_nobody_took_over_is_a_breach():
    result = Result(Order(), Path(), failover=[("SIGKILL", 0.2)])
    assert late(result) == []
    result.failover.append(("SIGTERM", FAILS_OVER_WITHIN))
    assert len(late(result)) == 1


@pytest.mark.parametrize(("name", "number"), [("12.3", 12), ("s12-3", 12), ("order-1", -1), (None, -1)])
def test_names_and_keys_tell_their_script(name, number):
    assert script_of(name) == number


def on_one_call(*acted_at: float) -> Evidence:
    """Return what is seen of as many scripts of one call, in this order."""
    told = [(script, at) for script, at in zip(long_call(), acted_at, strict=False)]
    sent, receipts = [], []
    for script, at in told:
        for letter in script.letters:
            sent.append(Sent(letter.key, letter.key, letter.command, letter.body, "safe", float("inf"), script.call_id))
            receipts.append(Receipt(letter.key, letter.command, at, True, call_id=script.call_id))
    return Evidence(sent, receipts, [], [])


def long_call():
    return [script for script in busy_calls(1, 2, 400) if script.number < BATCH]


def test_the_order_on_a_long_call_is_judged_over_all_its_scripts():
    numbers = [script.number for script in long_call()]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 20
    phases = dict.fromkeys(numbers, "disturbed")
    for times, broken in (((1.0, 2.0, 3.0), False), ((1.0, 3.0, 2.0), True)):
        journals = on_one_call(*times).journals(phases, "healthy")
        names = {breach.partition(":")[0] for journal in journals for breach in breaches(journal)}
        assert ("calls_keep_their_order" in names) == broken


def test_busy_calls_are_many_and_their_commands_of_every_class():
    letters = [letter for script in busy_calls(3, 50, 5000) for letter in script.letters]
    assert {letter.safety for letter in letters} == {"safe", "convergent", "guarded", "unsafe"}
    on_calls = [letter for letter in letters if letter.call_id]
    assert len({letter.call_id for letter in on_calls}) == 50
    assert len(on_calls) > 0.9 * len(letters)


def test_a_seed_publishes_the_same_of_every_safety_class():
    twice = [list(scripts(3, 2000)), list(scripts(3, 2000))]
    assert twice[0] == twice[1]
    assert {letter.safety for script in twice[0] for letter in script.letters} == {
        "safe", "convergent", "guarded", "unsafe", "none",
    }  # fmt: skip


def life(*sizes: float, each: int = 100) -> list[Weight]:
    return [Weight(float(at), 1, 1, size, at * each) for at, size in enumerate(sizes)]


def test_a_slope_is_what_memory_grows_by_and_a_peak_does_not_bend_it():
    assert slope(life(1.0, 1.1, 1.2, 1.3)) == pytest.approx(1000)
    assert slope(life(7.0, 7.0, 90.0, 7.0, 7.0, 7.0)) == 0
    assert slope(life(1.0)) == 0


def test_what_grows_to_the_end_leaks_and_what_settles_does_not():
    (grows,) = growths(life(*(50 + at / 100 for at in range(400))))
    (settles,) = growths(life(*(50 + min(at, 200) / 100 for at in range(400))))
    (brief,) = growths(life(*(50 + at / 100 for at in range(20))))
    (noise,) = growths(life(*(50 + at / 300 for at in range(200)), each=20))
    assert [each.leaks for each in (grows, settles, brief, noise)] == [True, False, False, False]
    assert grows.whole == pytest.approx(100)
    assert not brief.told


def test_the_longest_life_of_each_worker_counts():
    lives = [
        Weight(0.0, 1, 1, 50.0, 0),
        Weight(1.0, 1, 1, 50.0, 10),
        Weight(2.0, 1, 2, 50.0, 10),
        Weight(3.0, 1, 2, 50.0, 90),
    ]
    assert [growth.life for growth in growths(lives)] == [2]


ENDS = "import sys; print(sys.argv[1], flush=True); sys.exit(int(sys.argv[2]))"
LIVES = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("program", "breaches"),
    [((ENDS, "", "1"), 1), ((ENDS, "", "0"), 1), ((ENDS, '{"level":"CRITICAL"}', "1"), 2), ((LIVES,), 0)],
)
async def test_a_worker_that_ended_by_itself_is_a_breach(tmp_path, program, breaches):
    worker = Worker(1, None, tmp_path / "worker.log", 0)
    crew = Crew([worker], lambda _: {})
    crew.start(worker, ("-c", *program))
    if program == (LIVES,):
        while not worker.log.stat().st_size:
            await asyncio.sleep(0.02)
        assert await crew.retire(worker) == 1
    else:
        assert await crew.gone(worker, 30.0)
    assert len(crew.crashes()) == breaches
    crew.start(worker, ("-c", LIVES))
    worker.kill()
    assert len(crew.crashes()) == breaches
