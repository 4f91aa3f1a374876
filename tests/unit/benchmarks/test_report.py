"""Rounds become rows, rows become a page and a picture."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.report import BEGIN, END, NoMarkersError, pictured, rendered, table, written
from benchmarks.summary import paced, rows
from unit.benchmarks.results import results

DOCS = Path(__file__).parents[3] / "docs"
SVG = "{http://www.w3.org/2000/svg}"


def test_a_row_is_the_middle_of_its_rounds() -> None:
    tight, callmq, other = rows(results()["rounds"]["0"], "tight")
    assert (tight.cpu_us, tight.ratio) == (410.0, 1.0)
    assert (callmq.cpu_us, callmq.ratio, callmq.ready, callmq.rounds) == (520.0, 1.3, 0.7, 3)
    assert (other.ratio, other.lost, other.doubled, other.rounds) == (5.0, 1, 2, 1)


def test_without_the_yardstick_there_is_no_ratio() -> None:
    rounds = {"callmq": results()["rounds"]["0"]["callmq"]}
    assert [row.ratio for row in rows(rounds, "tight")] == [None]


def test_latency_is_the_middle_of_its_rounds() -> None:
    rounds = [{"p50_ms": p50, "p99_ms": p99, "replies": 9, "lost": 1} for p50, p99 in ((4, 90), (30, 20), (5, None))]
    assert paced(rounds) == {"p50_ms": 5, "p99_ms": 55, "lost": 3, "rounds": rounds}


def test_a_table_is_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---:|\n| 1 | 2 |"


def test_the_page_has_every_figure() -> None:
    page = rendered(results())
    lines = page.splitlines()
    assert "| callmq: with all | 520 µs | 1.30 | 1,923 | 60 MiB | 0.50 s | 4.2, 15.5 ms | 0, 0 |" in lines
    assert "| <another> & more | 2,000 µs | 5.00 | 500 | 60 MiB | 0.50 s |  | 1, 2 |" in lines
    for said in (
        "3 rounds of 2,000 commands",
        "load before the start was 0.2.",
        "Contenders: aiormq 7.2.4.",
        "**An endpoint that answers after 50 ms:**",
        "(`/readyz`): callmq 0.70 s.",
        "a command: callmq 0.50.",
        "other: 3 replies did not say succeeded, 4 commands were left.",
        "Could not be measured: absent.",
        "Latency: 2 rounds of 100 commands, 200 of all without a reply; the load before them was 2.0.",
        "**Growth of callmq:** 3 rounds of 1,000 commands, load before the start 3.5.",
        "| 1,000 | 720 µs | 700, 900 µs |",
        "| 10,000,000 | 650 µs | 650, 650 µs |",
        "One run of 5,000 commands, CPU microseconds a command by fifths: 700, 701.",
    ):
        assert said in page, said


def test_latency_is_of_the_quick_endpoint_only() -> None:
    slow = rendered(results()).partition("after 50 ms")[2]
    assert "ms |" not in slow.partition("waiting")[0]


def test_results_go_between_the_markers() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = written(page, "new")
    assert once == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert written(once, "new") == once


@pytest.mark.parametrize("page", ["", BEGIN, END, f"{END}{BEGIN}"])
def test_a_page_without_markers_is_left_alone(page: str) -> None:
    with pytest.raises(NoMarkersError):
        written(page, "new")


def test_the_picture_is_sorted_and_to_scale() -> None:
    picture = ET.fromstring(pictured(results()))
    bars = picture.findall(f"{SVG}rect")
    assert [bar.get("class") for bar in bars] == ["other", "own", "other"]
    widths = [float(bar.get("width", "0")) for bar in bars]
    assert widths == pytest.approx([widths[2] * 410 / 2000, widths[2] * 520 / 2000, widths[2]], abs=0.1)
    texts = [text.text for text in picture.findall(f"{SVG}text")]
    assert texts[1:] == [
        "a tight loop", "410 µs (1.00 of tight)", "callmq", "520 µs (1.30 of tight)", "<another> & more",
        "2,000 µs (5.00 of tight)",
    ]  # fmt: skip
    assert "prefers-color-scheme: dark" in picture.findtext(f"{SVG}style", "")


def test_what_is_documented_is_what_was_measured() -> None:
    kept = json.loads((DOCS / "performance.json").read_text())
    page = (DOCS / "performance.md").read_text()
    assert written(page, rendered(kept)) == page
    assert (DOCS / "performance.svg").read_text() == pictured(kept)
