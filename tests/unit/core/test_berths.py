"""Which flow lies in which queue: each its own while there are enough, then shared, and taken over when unused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from callmq_worker.core.berths import MOST_FLOWS, NOTED, UNUSED, Assignment, find, read
from callmq_worker.core.flow import Flow

A, B, C = (Flow("normal", name) for name in "abc")


class Note:
    def __init__(self) -> None:
        self.text: bytes | None = None

    def place(self, flow: Flow, now: float, most: int = 2, depths: Mapping[int, int] = MappingProxyType({})) -> int:
        after, berths = Assignment(flow, most, depths)(self.text, now)
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
    assert note.place(C, UNUSED + 1, depths={1: 0, 2: 0}) == 1
    assert find(read(note.text), A) == 0
    assert note.place(A, UNUSED + 2, depths={2: 0}) in (1, 2)
    assert find(read(note.text), C) == 1


def test_one_flow_too_many_goes_where_the_fewest_dials_wait():
    note = Note()
    note.place(A, 0.0)
    note.place(B, 1.0)
    assert note.place(C, 2.0, depths={1: 1_000_000, 2: 3}) == 2
    assert note.place(Flow("bulk"), 3.0, depths={1: 1_000_000}) == 1  # of the other one nothing is known
    assert note.place(Flow("high"), 4.0, depths={1: 0, 2: 3}) == 1
    assert [len(berth.flows) for berth in read(note.text)] == [3, 2]  # both are used still: they share


def test_the_note_has_an_end_however_many_flows_there_are():
    note = Note()
    for n in range(10 * MOST_FLOWS):
        assert note.place(Flow("normal", f"c{n}"), float(n)) in (1, 2)
    assert [len(berth.flows) for berth in read(note.text)] == [MOST_FLOWS, MOST_FLOWS]
