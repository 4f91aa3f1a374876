"""The campaign's own eyes: what it takes for a breach, and how it splits what it saw."""

import pytest

from chaos.evidence import Evidence, script_of
from chaos.table import slope
from chaos.traffic import scripts
from promises import Receipt, Said, Sent, breaches


def seen(*acted: bool, outcome: str = "succeeded", number: int = 900) -> Evidence:
    """Return what is seen of one dial: its receipts and its reply."""
    key, name = f"s{number}-0", f"{number}.0"
    document = {"idempotency_key": key, "reply_id": "r", "outcome": outcome, "http_status": 200, "attempts": len(acted)}
    sent = Sent(name, key, "dial", b"{}", "unsafe", float("inf"))
    receipts = [Receipt(key, "dial", float(at), each) for at, each in enumerate(acted)]
    return Evidence([sent], receipts, [Said(name, {**document, "problem": None, "replayed": False})], [0.0])


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


@pytest.mark.parametrize(("name", "number"), [("12.3", 12), ("s12-3", 12), ("order-1", -1), (None, -1)])
def test_names_and_keys_tell_their_script(name, number):
    assert script_of(name) == number


def test_a_seed_publishes_the_same_of_every_safety_class():
    twice = [list(scripts(3, 2000)), list(scripts(3, 2000))]
    assert twice[0] == twice[1]
    assert {letter.safety for script in twice[0] for letter in script.letters} == {
        "safe", "convergent", "guarded", "unsafe", "none",
    }  # fmt: skip


def test_a_slope_is_what_memory_grows_by():
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) == pytest.approx(2.0)
    assert slope([(0.0, 7.0), (1.0, 7.0), (2.0, 7.0)]) == 0.0
