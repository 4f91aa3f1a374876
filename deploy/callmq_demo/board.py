"""What a person sees: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Literal, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

    from callmq_demo.cases import Case
    from callmq_demo.evidence import Answer

_COLOURS = {"succeeded": "green", "rejected": "yellow", "expired": "cyan", "unknown": "magenta", "failed": "red"}
_OTHER_LINES = 7  # progress, notes, the table's frame and head
_NOTES = 2
_WIDE = 110


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table. ``least``: its width however narrow the terminal is; ``droppable``: goes first then."""

    name: str
    least: int
    number: bool = False
    droppable: bool = False


_COLUMNS = (
    _Column("command", 20),
    _Column("case", 10, droppable=True),
    _Column("state", 7),
    _Column("outcome", 20),
    _Column("attempts", 8, number=True),
    _Column("ms", 6, number=True),
)


class Board(Protocol):
    """Shows what happens while it happens."""

    def published(self, case: Case) -> None:
        """Show that a case was published."""

    def arrived(self, answer: Answer, *, first: bool) -> None:
        """Show a reply; a later one for the same case is no ``first``."""

    def note(self, text: str) -> None:
        """Show a sentence."""

    def close(self) -> None:
        """Show no more."""


class PlainBoard:
    """A line for each reply."""

    def __init__(self, cases: Sequence[Case], out: TextIO) -> None:
        self._cases = {case.name: case for case in cases}
        self._out = out
        self._count = 0

    def published(self, case: Case) -> None:
        """Say nothing: its reply will."""

    def arrived(self, answer: Answer, *, first: bool) -> None:
        """Write a line."""
        self._count += first
        case = self._cases[answer.case]
        place = f"{self._count:3}/{len(self._cases)}" if first else "  again"
        self._write(f"{place}  {result(answer):<33} {case.command:<36} {facts(answer)}{case.label}".rstrip())

    def note(self, text: str) -> None:
        """Write a sentence."""
        self._write(text)

    def close(self) -> None:
        """Do nothing."""

    def _write(self, line: str) -> None:
        print(line, file=self._out, flush=True)


class SilentBoard:
    """Shows nothing but notes, on standard error: standard output is for one JSON document."""

    def published(self, case: Case) -> None:
        """Say nothing."""

    def arrived(self, answer: Answer, *, first: bool) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Write a sentence."""
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class _Row:
    """One case on the live board. ``changed``: when it was published or answered, 0 before."""

    case: Case
    changed: float = 0.0
    answer: Answer | None = None

    def cells(self) -> tuple[Text, ...]:
        command, label = Text(self.case.command), Text(self.case.label, "dim")
        if self.answer is None:
            state = Text("waiting", "bold") if self.changed else Text("to come", "dim")
            return command, label, state, Text(""), Text(""), Text("")
        colour = _COLOURS.get(self.answer.outcome, "red")
        attempts = Text(str(self.answer.document["attempts"]))
        return (
            command,
            label,
            Text("arrived"),
            Text(result(self.answer), colour),
            attempts,
            Text(f"{self.answer.ms:.0f}"),
        )


@dataclass(slots=True)
class LiveBoard:
    """The table, as much of it as the terminal has room for, while it fills; the whole of it at the end."""

    cases: Sequence[Case]
    console: Console = field(default_factory=Console)
    _rows: Mapping[str, _Row] = field(init=False)
    _notes: list[str] = field(default_factory=list)
    _live: Live = field(init=False)

    def __post_init__(self) -> None:
        self._rows = {case.name: _Row(case) for case in self.cases}
        self._live = Live(get_renderable=self._picture, console=self.console, refresh_per_second=12, transient=True)
        self._live.start()

    def published(self, case: Case) -> None:
        """Show it as waiting."""
        self._rows[case.name].changed = monotonic()

    def arrived(self, answer: Answer, *, first: bool) -> None:
        """Show its outcome."""
        row = self._rows[answer.case]
        if first:
            row.answer, row.changed = answer, monotonic()

    def note(self, text: str) -> None:
        """Show a sentence below the table, and keep it."""
        self._notes.append(text)

    def close(self) -> None:
        """Leave the whole table and every note on the terminal; a second call does nothing."""
        if not self._live.is_started:
            return
        self._live.stop()
        if any(row.changed for row in self._rows.values()):
            self.console.print(self._table(list(self._rows.values())))
        for note in self._notes:
            self.console.print(Text(note, "dim"))

    def _picture(self) -> Group:
        done = sum(row.answer is not None for row in self._rows.values())
        bar = Table.grid(padding=(0, 1))
        bar.add_row(ProgressBar(len(self._rows), done, width=40), Text(f"{done} of {len(self._rows)} answered", "bold"))
        notes = [Text(note, "dim", no_wrap=True, overflow="ellipsis") for note in self._notes[-_NOTES:]]
        return Group(self._table(self._most_recent()), bar, *notes)

    def _table(self, rows: Sequence[_Row]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        narrow = self.console.width < _WIDE
        for column in _COLUMNS:
            if not (narrow and column.droppable):
                justify: Literal["left", "right"] = "right" if column.number else "left"
                table.add_column(column.name, justify=justify, min_width=column.least, no_wrap=True)
        for row in rows:
            table.add_row(
                *(cell for cell, column in zip(row.cells(), _COLUMNS, strict=True) if not (narrow and column.droppable))
            )
        return table

    def _most_recent(self) -> list[_Row]:
        room = max(3, self.console.height - _OTHER_LINES)
        rows = list(self._rows.values())
        latest = {id(row) for row in sorted(rows, key=lambda row: -row.changed)[:room]}
        return [row for row in rows if id(row) in latest]


def make_board(cases: Sequence[Case], *, plain: bool, silent: bool, environment: Mapping[str, str]) -> Board:
    """Return the board that fits where standard output goes."""
    if silent:
        return SilentBoard()
    dumb = environment.get("NO_COLOR") or environment.get("TERM", "dumb") == "dumb"
    return PlainBoard(cases, sys.stdout) if plain or dumb or not sys.stdout.isatty() else LiveBoard(cases)


def result(answer: Answer) -> str:
    """Return outcome and problem in a few words."""
    return answer.outcome if answer.code in (None, answer.outcome) else f"{answer.outcome}: {answer.code}"


def facts(answer: Answer) -> str:
    """Return attempts and milliseconds in columns of fixed width."""
    return f"attempts {answer.document['attempts']}  {answer.ms:6.0f} ms  "
