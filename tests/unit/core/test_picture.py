"""The picture in the documentation is the topology's own."""

from pathlib import Path

from callmq_contracts.names import Names
from callmq_worker.core.layout import layout
from callmq_worker.core.picture import mermaid
from callmq_worker.core.retry import parse_tiers

DOCS = Path(__file__).parents[3] / "docs" / "lanes.md"
SHOWN = layout(Names(), parse_tiers("1s,1h"), ("default", "north"))


def test_every_exchange_queue_and_binding_is_in_it():
    drawn = mermaid(SHOWN)
    for thing in (*SHOWN.exchanges, *SHOWN.queues):
        assert f'"{thing.name}' in drawn
    assert drawn.count("-->") == len(SHOWN.bindings)
    assert drawn.count(".->") == sum("x-dead-letter-exchange" in q.arguments for q in SHOWN.queues) + sum(
        "alternate-exchange" in e.arguments for e in SHOWN.exchanges
    )


def test_the_documentation_shows_it_as_it_is():
    assert f"```mermaid\n{mermaid(SHOWN)}```" in DOCS.read_text(encoding="utf-8")
