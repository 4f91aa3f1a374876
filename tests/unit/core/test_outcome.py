"""Every row of "what came back, and what it means", for each safety class, with and without doubt before."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_contracts.command import Safety
from callmq_worker.core.outcome import (
    ACCOUNT_CODES,
    PRESSURE_CODES,
    STATE_CODES,
    Again,
    Answered,
    Done,
    InDoubt,
    NoAnswer,
    NotSent,
    Paused,
    Refused,
    Withheld,
    entries,
    judge,
)

PRESSURE = ("max_queued_calls_exceeded", "rate_limit_exceeded", "call_update_failed", "cannot_process", "out_of_sync")
STATE = (
    "invalid_state", "cannot_cancel_in_progress", "cannot_redirect_not_in_progress", "cannot_update_completed",
    "does_not_exist",
)  # fmt: skip
ACCOUNT = (
    "insufficient_balance", "auto_top_up_deactivated", "account_limit_exceeded", "sending_restricted_to_verified",
    "feature_not_available",
)  # fmt: skip
CALM = [s for s in Safety if s is not Safety.UNSAFE]
safety_and_doubt = pytest.mark.parametrize(
    ("safety", "doubt"), [(s, d) for s in Safety for d in (False, True)], ids=str
)
both_forms = pytest.mark.parametrize("form", ["typed", "titled"])


def entry(code: str, form: str = "typed", **more: str) -> dict[str, str]:
    if form == "typed":
        return {"type": "validation_error", "code": code, "message": "no", "url": "https://example.com/e", **more}
    return {"detail": "no", "status": "422", "title": "no", "code": code, **more}


def errors(*codes: str, form: str = "typed", **more: str) -> dict[str, list[dict[str, str]]]:
    return {"errors": [entry(code, form, **more) for code in codes]}


def verdict(answer, safety=Safety.UNSAFE, *, doubt=False):
    return judge(answer, safety, doubt=doubt)


# Nothing came back


@safety_and_doubt
def test_what_was_not_sent_is_tried_again_without_doubt(safety, doubt):
    assert judge(NotSent("no connection"), safety, doubt=doubt) == Again("no connection")
    assert judge(Withheld(), safety, doubt=doubt) == Again("withheld")


@pytest.mark.parametrize("doubt", [False, True])
def test_no_answer_to_an_unsafe_command_is_in_doubt_at_once(doubt):
    assert verdict(NoAnswer("connection reset"), doubt=doubt) == InDoubt("connection reset")


@pytest.mark.parametrize("doubt", [False, True])
@pytest.mark.parametrize("safety", CALM)
def test_no_answer_to_any_other_is_tried_again_with_doubt(safety, doubt):
    assert judge(NoAnswer("connection reset"), safety, doubt=doubt) == Again("connection reset", doubt=True)


# The status alone


@safety_and_doubt
@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
@pytest.mark.parametrize(("document", "whole"), [({"id": "x"}, True), (None, True), (None, False), (errors("x"), True)])
def test_2xx_is_done_whatever_its_body(status, document, whole, safety, doubt):
    assert judge(Answered(status, document, None, whole), safety, doubt=doubt) == Done(status, document)


@safety_and_doubt
@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308, 399, 401, 403])
@pytest.mark.parametrize("whole", [True, False])
def test_redirects_and_wrong_credentials_pause_the_account(status, whole, safety, doubt):
    assert judge(Answered(status, None, None, whole), safety, doubt=doubt) == Paused(f"http {status}", status)


@safety_and_doubt
@pytest.mark.parametrize(("status", "later"), [(429, None), (429, 0.0), (429, 7.0), (503, 0.0), (503, 7.0)])
def test_back_pressure_is_tried_again_no_earlier_than_told(status, later, safety, doubt):
    expected = Again(f"http {status}", pressed=True, retry_after=later, status=status)
    assert judge(Answered(status, None, later), safety, doubt=doubt) == expected


@pytest.mark.parametrize("doubt", [False, True])
@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 505, 599])
@pytest.mark.parametrize("whole", [True, False])
def test_a_server_error_may_have_been_done(status, whole, doubt):
    answer = Answered(status, None, 5.0 if status == 500 else None, whole)
    assert verdict(answer, doubt=doubt) == InDoubt(f"http {status}", status)
    for safety in CALM:
        assert judge(answer, safety, doubt=doubt) == Again(f"http {status}", doubt=True, status=status)


@pytest.mark.parametrize("status", [100, 101, 103, 199])
@pytest.mark.parametrize("doubt", [False, True])
def test_an_answer_that_is_no_final_one_may_have_been_done(status, doubt):
    assert verdict(Answered(status), doubt=doubt) == InDoubt(f"http {status}", status)
    assert judge(Answered(status), Safety.GUARDED, doubt=doubt) == Again(f"http {status}", doubt=True, status=status)


@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize(
    "status", [400, 402, 404, 405, 406, 409, 410, 411, 412, 413, 414, 415, 416, 418, 421, 425, 499]
)
@pytest.mark.parametrize("whole", [True, False])
def test_any_other_4xx_is_final_where_nothing_was_in_doubt(status, whole, safety):
    assert judge(Answered(status, None, None, whole), safety, doubt=False) == Refused(status)


# The codes of a 422


@safety_and_doubt
@both_forms
@pytest.mark.parametrize("code", PRESSURE)
def test_pressure_codes_are_tried_again(code, form, safety, doubt):
    expected = Again("http 422", pressed=True, retry_after=3.0, status=422)
    assert judge(Answered(422, errors(code, form=form), 3.0), safety, doubt=doubt) == expected


@safety_and_doubt
@both_forms
@pytest.mark.parametrize("code", ACCOUNT)
def test_account_codes_pause_and_say_which(code, form, safety, doubt):
    answer = Answered(422, errors(code, form=form))
    assert judge(answer, safety, doubt=doubt) == Paused(f"http 422 ({code})", 422)


@both_forms
@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize("code", [*STATE, "validation_error", "never_heard_of"])
def test_all_other_codes_are_final_where_nothing_was_in_doubt(code, form, safety):
    document = errors(code, form=form)
    assert judge(Answered(422, document), safety, doubt=False) == Refused(422, tuple(document["errors"]))


@safety_and_doubt
def test_a_422_that_broke_off_was_not_processed_and_is_tried_again(safety, doubt):
    again = judge(Answered(422, None, None, whole=False), safety, doubt=doubt)
    assert again == Again("http 422", pressed=True, status=422)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (("rate_limit_exceeded", "insufficient_balance"), Paused),
        (("invalid_state", "insufficient_balance"), Paused),
        (("validation_error", "insufficient_balance"), Paused),
        (("rate_limit_exceeded", "cannot_process"), Again),
        (("rate_limit_exceeded", "invalid_state"), Refused),
        (("rate_limit_exceeded", "validation_error"), Refused),
        (("invalid_state", "validation_error"), Refused),
    ],
    ids=lambda v: "+".join(v) if isinstance(v, tuple) else v.__name__,
)
def test_of_several_codes_the_account_counts_first_and_pressure_only_alone(codes, expected):
    assert isinstance(verdict(Answered(422, errors(*codes))), expected)
    assert isinstance(verdict(Answered(422, errors(*reversed(codes)))), expected)


@pytest.mark.parametrize(
    "document",
    [None, {}, [], "text", {"error": 5}, {"errors": None}, {"errors": "no"}, {"errors": []}, {"errors": [1, None]}],
)
def test_a_422_without_readable_entries_is_final(document):
    assert verdict(Answered(422, document)) == Refused(422)


def test_one_sentence_is_told_as_an_entry():
    assert verdict(Answered(400, {"error": "no"})) == Refused(400, ({"detail": "no"},))


def test_entries_of_odd_types_are_kept_and_break_nothing():
    odd = [{"code": None}, {"code": ["invalid_state"]}, {"code": 5, "attribute": ["control_id"]}, "text", {}]
    assert len(entries({"errors": odd})) == 4
    assert isinstance(verdict(Answered(422, {"errors": odd})), Refused)


# A repeat, after an attempt that may have been done


STATE_ANSWERS = [
    Answered(404),
    Answered(409),
    Answered(409, errors("conflict")),
    *(Answered(422, errors(code)) for code in STATE),
    Answered(422, errors("invalid_state", "does_not_exist")),
    Answered(422, errors("invalid_state", "rate_limit_exceeded")),
]
TAKEN = Answered(422, errors("taken", attribute="control_id"))
WRONG = [Answered(422, errors("validation_error")), Answered(422, {"error": "no"})]
OTHERS = [Answered(400), Answered(405), Answered(413)]


@pytest.mark.parametrize("answer", STATE_ANSWERS)
def test_another_state_means_done_for_convergent_and_nothing_for_guarded_and_unsafe(answer):
    assert judge(answer, Safety.CONVERGENT, doubt=True) == Done(answer.status, answer.document)
    assert isinstance(judge(answer, Safety.GUARDED, doubt=True), InDoubt)
    assert isinstance(judge(answer, Safety.UNSAFE, doubt=True), InDoubt)
    assert judge(answer, Safety.SAFE, doubt=True) == Refused(answer.status, entries(answer.document))


@pytest.mark.parametrize("attribute", ["control_id", "params.control_id"])
def test_a_taken_control_id_means_done_only_for_guarded_and_only_in_doubt(attribute):
    answer = Answered(422, errors("taken", attribute=attribute))
    assert judge(answer, Safety.GUARDED, doubt=True) == Done(422, answer.document)
    assert judge(answer, Safety.GUARDED, doubt=False) == Refused(422, entries(answer.document))
    assert isinstance(judge(answer, Safety.UNSAFE, doubt=True), InDoubt)


@pytest.mark.parametrize("answer", WRONG)
def test_a_422_proves_nothing_about_a_guarded_repeat(answer):
    assert isinstance(judge(answer, Safety.GUARDED, doubt=True), InDoubt)
    assert isinstance(judge(answer, Safety.CONVERGENT, doubt=True), Refused)


@pytest.mark.parametrize("answer", OTHERS)
def test_a_wrong_command_was_wrong_the_first_time_too_but_for_unsafe_nothing_is_guessed(answer):
    for safety in CALM:
        assert judge(answer, safety, doubt=True) == Refused(answer.status)
    assert isinstance(judge(answer, Safety.UNSAFE, doubt=True), InDoubt)


# What holds for everything


codes = st.lists(st.sampled_from([*PRESSURE, *STATE, *ACCOUNT, "validation_error", "taken"]), max_size=4)
documents = st.one_of(
    st.none(),
    codes.map(lambda cs: errors(*cs)),
    codes.map(lambda cs: errors(*cs, form="titled", attribute="control_id")),
    st.recursive(st.none() | st.booleans() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)),
)
answers = st.one_of(
    st.builds(NotSent, st.text()),
    st.just(Withheld()),
    st.builds(NoAnswer, st.text()),
    st.builds(Answered, st.integers(100, 599), documents, st.none() | st.floats(0, 1e9), st.booleans()),
)


@given(answers, st.booleans())
def test_an_unsafe_command_is_never_tried_again_after_doubt(answer, doubt):
    found = judge(answer, Safety.UNSAFE, doubt=doubt)
    assert not (isinstance(found, Again) and found.doubt)
    if doubt:
        assert not isinstance(found, Refused)


@given(answers, st.sampled_from(Safety))
def test_doubt_ends_as_refused_only_where_the_table_says(answer, safety):
    found = judge(answer, safety, doubt=True)
    if isinstance(found, Refused):
        assert judge(answer, safety, doubt=False) == found
        assert safety is not Safety.UNSAFE
        assert safety is not Safety.GUARDED or found.status not in (404, 409, 422)


@given(answers, st.sampled_from(Safety), st.booleans())
def test_only_what_was_answered_ends(answer, safety, doubt):
    found = judge(answer, safety, doubt=doubt)
    if not isinstance(answer, Answered):
        assert isinstance(found, Again | InDoubt)
    if isinstance(found, Done | Refused) and not doubt:
        assert isinstance(found, Done) == (200 <= found.status < 300)


def test_every_status_gives_a_verdict():
    for status in range(100, 600):
        for safety in Safety:
            for doubt in (False, True):
                found = judge(Answered(status), safety, doubt=doubt)
                assert isinstance(found, Done | Refused | Again | InDoubt | Paused)


def test_the_codes_are_those_of_the_description_and_belong_to_one_row_each():
    assert (set(PRESSURE), set(STATE), set(ACCOUNT)) == (PRESSURE_CODES, STATE_CODES, ACCOUNT_CODES)
    rows = (PRESSURE_CODES, STATE_CODES, ACCOUNT_CODES)
    assert not set(chain.from_iterable(a & b for a, b in combinations(rows, 2)))
