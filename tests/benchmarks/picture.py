"""Bars as an SVG that is readable on a light and on a dark page: its own, since no plotting library does that."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, BAR, GAP, TOP = 900, 330, 200, 20, 10, 44
STYLE = """\
    text { font: 13px system-ui, sans-serif; fill: #1f2328; } .title { font-weight: 600; font-size: 15px; }
    .own { fill: #1a7f37; } .other { fill: #8c959f; } .line { stroke: #d0d7de; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; } .own { fill: #3fb950; } .other { fill: #6e7681; } .line { stroke: #30363d; }
    }"""


@dataclass(frozen=True)
class Bar:
    """One line of the picture; ``own`` ones stand out."""

    label: str
    value: float
    note: str
    own: bool = False


def drawn(title: str, bars: Sequence[Bar]) -> str:
    """Return the picture: bars from the left, each with its label before it and its note behind it."""
    height = TOP + len(bars) * (BAR + GAP) + GAP
    most = max((bar.value for bar in bars), default=0.0) or 1.0
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"  <title>{escape(title)}</title>",
        f"  <style>\n{STYLE}\n  </style>",
        f'  <text class="title" x="10" y="24">{escape(title)}</text>',
        f'  <line class="line" x1="{LEFT}" x2="{LEFT}" y1="{TOP - 6}" y2="{height - 6}"/>',
    ]
    for number, bar in enumerate(bars):
        top = TOP + number * (BAR + GAP)
        length = bar.value / most * (WIDTH - LEFT - RIGHT)
        middle = top + BAR - 5
        kind = "own" if bar.own else "other"
        lines += [
            f'  <text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(bar.label)}</text>',
            f'  <rect class="{kind}" x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'  <text x="{LEFT + length + 8:.1f}" y="{middle}">{escape(bar.note)}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
