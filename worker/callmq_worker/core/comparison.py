"""What of a layout is not on the broker as it must be, by what its management API lists."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from callmq_worker.core.layout import Binding, ExchangeSpec, Layout, QueueSpec

Listed = Iterable[Mapping[str, Any]]
# A policy that sets one of these on a queue of ours can drop a message, or send it elsewhere.
DANGEROUS: Final = (
    "max-length",
    "max-length-bytes",
    "message-ttl",
    "expires",
    "overflow",
    "delivery-limit",
    "dead-letter-exchange",
    "dead-letter-routing-key",
    "dead-letter-strategy",
)

_ON_QUEUES: Final = ("all", "queues", "quorum_queues")


def differences(wanted: Layout, exchanges: Listed, queues: Listed, bindings: Listed) -> dict[tuple[str, str], str]:
    """Return what is wrong by kind and name (``("queue", "callmq.dial")``), each as the end of a sentence."""
    found_exchanges = {str(e["name"]): e for e in exchanges}
    found_queues = {str(q["name"]): q for q in queues}
    bound = {_shape(_read_binding(b)): _read_binding(b) for b in bindings if b.get("source")}
    wrong: dict[tuple[str, str], str] = {}
    for exchange in wanted.exchanges:
        _note(wrong, "exchange", exchange.name, _exchange_fault(exchange, found_exchanges.get(exchange.name)))
    for queue in wanted.queues:
        _note(wrong, "queue", queue.name, _queue_fault(queue, found_queues.get(queue.name)))
    for binding in wanted.bindings:
        _note(wrong, "binding", name_of(binding), None if _shape(binding) in bound else "is missing")
    expected = {_shape(b) for b in wanted.bindings}
    own = {("queue", q.name) for q in wanted.queues} | {("exchange", name) for name in _inner(wanted)}
    stale = {_shape(b) for b in wanted.stale}
    for shape in sorted(bound.keys() - expected):
        binding = bound[shape]
        if (binding.kind, binding.target) in own or shape in stale:
            why = f"is not of the layout: its {binding.kind} gets messages that are not meant for it"
            _note(wrong, "binding", name_of(binding), why)
    return wrong


def _inner(wanted: Layout) -> set[str]:
    """Return the exchanges that only other exchanges may feed."""
    return {b.target for b in wanted.bindings if b.kind == "exchange"}


def _read_binding(listed: Mapping[str, Any]) -> Binding:
    source, target, key = (str(listed[name]) for name in ("source", "destination", "routing_key"))
    kind = str(listed.get("destination_type", "queue"))
    return Binding(source, target, key, dict(listed.get("arguments") or {}), kind)


def _shape(binding: Binding) -> tuple[str, ...]:
    return (binding.exchange, binding.target, binding.kind, binding.key, repr(sorted(binding.arguments.items())))


def governed(queues: Listed, policies: Listed, operator_policies: Listed) -> list[dict[str, Any]]:
    """Return the queues with the policies that hold for each: what the broker lists of them lags by seconds."""
    kinds = (list(policies), list(operator_policies))
    found = []
    for queue in queues:
        definition = dict(queue.get("effective_policy_definition") or {})
        for kind in kinds:
            definition |= _governing(str(queue["name"]), kind)
        found.append({**queue, "effective_policy_definition": definition})
    return found


def _governing(name: str, policies: Listed) -> Mapping[str, Any]:
    matching = [p for p in policies if p.get("apply-to") in _ON_QUEUES and _matches(str(p.get("pattern")), name)]
    best = max(matching, key=lambda p: int(p.get("priority", 0)), default=None)
    definition = best.get("definition") if best is not None else None
    return definition if isinstance(definition, Mapping) else {}


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.search(pattern, name) is not None
    except re.error:  # a pattern of Erlang's that Python does not read
        return False


def name_of(binding: Binding) -> str:
    """Return the name under which a binding is spoken of."""
    return f"{binding.exchange} -> {binding.target} ({binding.key})"


def _note(wrong: dict[tuple[str, str], str], kind: str, name: str, why: str | None) -> None:
    if why is not None:
        wrong[kind, name] = why


def _exchange_fault(wanted: ExchangeSpec, found: Mapping[str, Any] | None) -> str | None:
    if found is None:
        return "is missing"
    if found.get("type") != wanted.kind:
        return f"has another type than '{wanted.kind}'"
    return _flaws(found, wanted.arguments)


def _queue_fault(wanted: QueueSpec, found: Mapping[str, Any] | None) -> str | None:
    if found is None:
        return "is missing"
    policy = found.get("effective_policy_definition") or {}
    risky = [name for name in DANGEROUS if name in policy]
    if risky:
        return f"is under a policy that sets {', '.join(risky)}: exempt it, for its messages could be lost"
    return _flaws(found, wanted.arguments)


def _flaws(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    if found.get("durable") is not True or found.get("auto_delete") is True:
        return "is not durable"
    arguments = found.get("arguments") or {}
    odd = sorted(n for n in {*arguments, *wanted} if arguments.get(n) != wanted.get(n))
    return f"has other arguments: {', '.join(odd)}" if odd else None
