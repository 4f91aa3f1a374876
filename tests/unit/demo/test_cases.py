"""The cases: every command, everything that goes wrong in real life."""

from __future__ import annotations

import orjson
import pytest

from callmq_contracts.catalog import CATALOG
from callmq_contracts.codec import decode
from callmq_contracts.command import Command, Safety
from callmq_contracts.examples import EXAMPLE_CALL_ID, EXAMPLES
from callmq_demo.cases import keyed, on_call, sandbox_cases
from callmq_demo.live import announcement, faults, live_cases
from performed import CALL_IDS, named

CALL_ID = CALL_IDS["first"]
ACCOUNT = {"SIGNALWIRE_SPACE": "example", "SIGNALWIRE_PROJECT_ID": "p", "SIGNALWIRE_API_TOKEN": "canary-token-1"}
THEIRS, OURS = "+15550100042", "+15550100043"


@pytest.fixture(params=[False, True], ids=["plain", "kill"])
def cases(request):
    return sandbox_cases(kill=request.param)


def test_every_command_succeeds_once_at_least(cases) -> None:
    done = {case.command for case in cases if case.expected.outcome == "succeeded" and not case.expected.replayed}
    assert done == set(CATALOG)
    assert len(CATALOG) == 42


def test_each_way_to_end_is_there(cases) -> None:
    ends = {(case.expected.outcome.value, case.expected.code) for case in cases}
    assert ends == {
        ("succeeded", None),
        ("rejected", "invalid_params"),
        ("rejected", "unknown_command"),
        ("rejected", "idempotency_conflict"),
        ("rejected", "refused"),
        ("expired", "expired"),
        ("unknown", "outcome_unknown"),
    }


def test_names_are_unique_and_keys_are_shared_only_by_the_repeat_and_the_conflict(cases) -> None:
    assert len({case.name for case in cases}) == len(cases)
    keys = [case.key for case in cases]
    assert {case.name for case in cases if keys.count(case.key) > 1} == {"original", "repeat", "conflict"}
    original, repeat, conflict = (named(cases, name) for name in ("original", "repeat", "conflict"))
    assert original.body == repeat.body != conflict.body


def test_what_a_case_waits_for_was_published_before_it(cases) -> None:
    before: set[str] = set()
    opened: set[str | None] = {None}
    for case in cases:
        assert set(case.after) <= before
        assert case.call in opened
        before.add(case.name)
        opened.add(case.opens or None)


def test_bodies_keep_their_contract_on_a_real_call_where_they_should(cases) -> None:
    for case in cases:
        body = on_call(case.body, CALL_ID) if case.call else dict(case.body)
        decoded = decode(orjson.dumps(body), key=case.key)
        assert isinstance(decoded, Command) is case.valid
        if isinstance(decoded, Command):
            assert decoded.call_id == (CALL_ID if case.call else None)


def test_no_example_keeps_its_own_call_id() -> None:
    for bodies in EXAMPLES.values():
        for body in bodies:
            assert EXAMPLE_CALL_ID not in orjson.dumps(on_call(body, CALL_ID)).decode()


def test_only_the_kill_has_something_in_flight() -> None:
    assert not any(case.held or case.kills for case in sandbox_cases(kill=False))
    cases = sandbox_cases(kill=True)
    held = [case for case in cases if case.held]
    assert {case.safety for case in held} == {Safety.UNSAFE, Safety.GUARDED}
    [kills] = [case for case in cases if case.kills]
    assert all(cases.index(case) < cases.index(kills) for case in held)


def test_the_keys_of_two_runs_differ(cases) -> None:
    first, second = ({case.key for case in keyed(cases, run)} for run in ("a", "b"))
    assert not first & second
    assert len(first) == len({case.key for case in cases})


def test_live_sends_one_dial_and_its_end_and_nothing_else() -> None:
    cases = live_cases(THEIRS, OURS)
    assert [case.command for case in cases if case.expected.received] == ["dial", "calling.end"]
    assert cases[0].body["params"]["to"] == THEIRS
    assert not any(case.scene or case.fault or case.held for case in cases)
    assert named(cases, "dial").body == named(cases, "repeat").body != named(cases, "conflict").body


def test_live_begins_with_an_account_and_two_numbers() -> None:
    assert faults(ACCOUNT, THEIRS, OURS) == []


@pytest.mark.parametrize(
    ("environment", "to", "sender", "named_in"),
    [
        (ACCOUNT, None, None, "--to"),
        (ACCOUNT, THEIRS, None, "--from"),
        ({**ACCOUNT, "SIGNALWIRE_API_TOKEN": ""}, THEIRS, OURS, "SIGNALWIRE_API_TOKEN"),
        (ACCOUNT, "0 55 canary-number", OURS, "params.to"),
    ],
)
def test_live_does_not_begin_without(environment, to, sender, named_in) -> None:
    said = "\n".join(faults(environment, to, sender))
    assert named_in in said
    assert "canary" not in said


def test_the_announcement_shows_no_number() -> None:
    said = announcement(THEIRS, OURS)
    assert "...42" in said
    assert THEIRS not in said
    assert OURS not in said
