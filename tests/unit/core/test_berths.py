"""Which flow lies in which queue: each its own while there are enough, then shared, and taken over when unused."""

from __future__ import annotations

from callmq_worker.core.berths import NOTED, UNUSED, Assignment, find, read
from callmq_worker.core.flow import Flow

A, B, C = (Flow("normal", name) for name in "abc")


class Note:
    def __init__(self) -> None:
        self.text: bytes | None = None

    def place(self, flow: Flow, now: float, most: int = 2, empty: frozenset[int] = frozenset()) -> int:
        after, berths = Assignment(flow, most, empty)(self.text, now)
        self.text = self.text if after is None else after
        assert read(self.text) == berths
        return find(berths, flow)


def test_each_flow_has_a_queue_of_its_own_and_keeps_it():
    note = Note()
    assert [note.place(flow, 0.0) for flow in (A, B, A, B)] == [1, 2, 1, 2]
    assert find(read(note.text), C) == 0
    assert read(None) == ()


def test_use_is_noted_now_and_then_and_else_nothing_is_written():
    note = Note()
    note.place(A, 0.0)
    assert Assignment(A, 2)(note.text, NOTED - 1)[0] is None
    note.place(A, NOTED)
    assert read(note.text)[0].used == NOTED


def test_too_many_flows_share_the_queue_that_has_the_fewest():
    note = Note()
    assert [note.place(flow, now) for flow, now in ((A, 0.0), (B, 1.0), (C, 2.0))] == [1, 2, 1]
    assert note.place(Flow("bulk"), 3.0) == 2
    assert note.place(A, 4.0) == 1


def test_a_queue_that_is_empty_and_long_unused_is_another_flows():
    note = Note()
    note.place(A, 0.0)
    note.place(B, UNUSED)
    assert note.place(C, UNUSED + 1, empty=frozenset({1, 2})) == 1
    assert find(read(note.text), A) == 0
    assert note.place(A, UNUSED + 2, empty=frozenset({2})) in (1, 2)
    assert find(read(note.text), C) == 1
