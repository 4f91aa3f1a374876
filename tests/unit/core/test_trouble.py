"""What workers say of accounts that can't work: counted while it is new, and forgotten by itself."""

from __future__ import annotations

import pytest

from callmq_worker.core.trouble import LASTS, MAX_REASON, read, reasons, tell, withdraw


def said(*changes, at=0.0):
    text = None
    for change in changes:
        text = change(text, at)[0] or text
    return text


def test_workers_are_counted_by_reason():
    text = said(tell("a", "http 401"), tell("b", "http 401"), tell("c", "endpoint fails: http 503"))
    assert reasons(read(text, 1.0)) == ["http 401 (2 workers)", "endpoint fails: http 503 (1 worker)"]


def test_what_is_not_said_again_is_forgotten():
    text = said(tell("a", "http 401"))
    assert set(read(text, LASTS - 1)) == {"a"}
    assert read(text, LASTS) == {}
    assert set(read(tell("b", "http 401")(text, LASTS)[0], LASTS)) == {"b"}


def test_said_again_it_keeps_its_beginning_and_a_new_reason_begins_anew():
    text = tell("a", "http 401")(said(tell("a", "http 401")), 20.0)[0]
    assert read(text, 20.0)["a"] == ("http 401", 0.0, 20.0 + LASTS)
    assert read(tell("a", "http 403")(text, 30.0)[0], 30.0)["a"].since == 30.0


def test_only_its_own_is_withdrawn():
    text = said(tell("a", "x"), tell("b", "y"))
    assert set(read(withdraw("a")(text, 1.0)[0], 1.0)) == {"b"}
    assert withdraw("z")(text, 1.0) == (None, None)
    assert withdraw("z")(None, 1.0) == (None, None)


def test_no_number_is_kept_and_no_endless_reason():
    text = said(tell("a", "refused +15550100123 " + "x" * 999))
    assert b"5550100" not in text
    assert len(read(text, 0.0)["a"].reason) == MAX_REASON


@pytest.mark.parametrize("text", [b"", b"x", b"[]", b"7", b'{"a": 7}', b'{"a": ["x"]}', b'{"a": ["x", "y", "z"]}'])
def test_what_another_version_wrote_counts_as_nothing(text):
    assert read(text, 0.0) == {}
    assert set(read(tell("a", "x")(text, 0.0)[0], 0.0)) == {"a"}
