"""Order per call, against a model: first in, first out, nobody starts twice, nobody is forgotten."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from callmq_worker.core.order import CallOrder

CALLS = st.sampled_from(["a", "b", "c"])


class Ticket:
    """Compared by identity, as the events of the real waiting line are."""


class Lines(RuleBasedStateMachine):
    """Commands come, work, give up and end; the model is one list a call."""

    def __init__(self) -> None:
        super().__init__()
        self.order: CallOrder[Ticket] = CallOrder()
        self.lines: dict[str, list[Ticket]] = {"a": [], "b": [], "c": []}
        self.started: set[Ticket] = set()

    def start(self, ticket: Ticket) -> None:
        assert ticket not in self.started
        self.started.add(ticket)

    @rule(call=CALLS)
    def comes(self, call):
        ticket = Ticket()
        self.lines[call].append(ticket)
        if self.order.enter(call, ticket):
            self.start(ticket)

    @rule(call=CALLS, place=st.integers(0, 9))
    def leaves(self, call, place):
        """End at the head, or be recalled from anywhere in the line."""
        line = self.lines[call]
        if place >= len(line):
            return
        ticket = line.pop(place)
        successor = self.order.leave(call, ticket)
        assert successor is (line[0] if line and place == 0 else None)
        if successor is not None:
            self.start(successor)

    @rule(call=CALLS)
    def a_stranger_leaves(self, call):
        assert self.order.leave(call, Ticket()) is None

    @invariant()
    def exactly_the_first_of_each_call_works(self):
        for line in self.lines.values():
            assert [ticket in self.started for ticket in line] == [n == 0 for n in range(len(line))]

    @invariant()
    def empty_lines_are_forgotten(self):
        assert len(self.order) == sum(bool(line) for line in self.lines.values())


TestLines = Lines.TestCase
TestLines.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
