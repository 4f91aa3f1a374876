"""The topology as a Mermaid flowchart, from the layout itself."""

from collections.abc import Iterator

from callmq_worker.core.layout import Layout, QueueSpec


def mermaid(layout: Layout) -> str:
    """Return the flowchart: exchanges as rounded boxes, queues as cylinders, what a queue gives up as dotted arrows."""
    return "\n".join(["flowchart LR", *_lines(layout)]) + "\n"


def _lines(layout: Layout) -> Iterator[str]:
    for exchange in layout.exchanges:
        yield f'  {_id("x", exchange.name)}("{exchange.name}<br/><i>{exchange.kind}</i>")'
    for queue in layout.queues:
        yield f'  {_id("q", queue.name)}[("{queue.name}{_note(queue)}")]'
    for binding in layout.bindings:
        word = binding.key or ", ".join(f"{n}={v}" for n, v in binding.arguments.items() if n != "x-match")
        arrow = f'-- "{word}" -->' if word else "-->"
        yield f"  {_id('x', binding.exchange)} {arrow} {_id(binding.kind[0].replace('e', 'x'), binding.target)}"
    for exchange in layout.exchanges:
        if (other := exchange.arguments.get("alternate-exchange")) is not None:
            yield f'  {_id("x", exchange.name)} -. "all else" .-> {_id("x", other)}'
    for queue in layout.queues:
        if (other := queue.arguments.get("x-dead-letter-exchange")) is not None:
            word = "after its time" if "x-message-ttl" in queue.arguments else "gives up"
            yield f'  {_id("q", queue.name)} -. "{word}" .-> {_id("x", other)}'


def _note(queue: QueueSpec) -> str:
    return "<br/><i>one active consumer</i>" if queue.arguments.get("x-single-active-consumer") else ""


def _id(kind: str, name: str) -> str:
    return f"{kind}_{name}".replace(".", "_").replace("-", "_")
