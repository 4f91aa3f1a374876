"""The topology as data: everything durable and quorum, nothing that the broker could drop."""

from __future__ import annotations

import pytest

from callmq_contracts.catalog import CATALOG
from callmq_contracts.names import Names
from callmq_worker.core.layout import Binding, control_lane, definitions, dial_lanes, lanes, layout
from callmq_worker.core.retry import parse_tiers

NAMES = Names("shop")
TIERS = parse_tiers("1s,2m,1h")
WANTED = layout(NAMES, TIERS, ("default", "second"))
QUEUES = {q.name: q.arguments for q in WANTED.queues}
EXCHANGES = {e.name: e for e in WANTED.exchanges}
END_OF_THE_LINE = {"shop.dead", "shop.unknown"}


def routed(key: str, exchange: str = "shop.commands", account: str | None = None) -> set[str]:
    """Return the queues that a routing key and an account header reach, as exchanges with an alternate route."""

    def fits(pattern: list[str], words: list[str]) -> bool:
        if not pattern:
            return not words
        if pattern[0] == "#":
            return fits(pattern[1:], words) or (bool(words) and fits(pattern, words[1:]))
        return bool(words) and pattern[0] in ("*", words[0]) and fits(pattern[1:], words[1:])

    def meant(binding: Binding, kind: str) -> bool:
        if kind == "headers":
            return binding.arguments == {"x-match": "all", "account": account}
        return kind == "fanout" or fits(binding.key.split("."), key.split("."))

    found: set[str] = set()
    for binding in WANTED.bindings:
        if binding.exchange == exchange and meant(binding, EXCHANGES[exchange].kind):
            through = binding.kind == "exchange"
            found |= routed(key, binding.target, account) if through else {binding.target}
    alternate = EXCHANGES[exchange].arguments.get("alternate-exchange")
    return found or (routed(key, alternate, account) if alternate else set())


def test_the_names_of_the_description():
    assert set(QUEUES) == {
        "shop.dial", "shop.control", "shop.control.second", "shop.unrouted", "shop.returned", "shop.dead",
        "shop.unknown", "shop.retry.1s", "shop.retry.2m", "shop.retry.1h",
    }  # fmt: skip
    kinds = {name: e.kind for name, e in EXCHANGES.items() if "retry" not in name}
    assert kinds == {
        "shop.commands": "topic", "shop.dead": "topic", "shop.replies": "topic", "shop.events": "topic",
        "shop.unrouted": "fanout", "shop.returned": "fanout", "shop.live": "headers", "shop.control": "fanout",
    }  # fmt: skip


@pytest.mark.parametrize("command", sorted(set(CATALOG) - {"dial"}))
def test_a_command_on_a_live_call_reaches_the_lane_of_its_account(command):
    assert routed(command, account="second") == {"shop.control.second"}
    for other in ("default", "nobody's", None):
        assert routed(command, account=other) == {"shop.control"}


def test_what_an_earlier_layout_bound_is_dropped():
    assert {(b.exchange, b.target, b.key) for b in WANTED.stale} == {
        ("shop.commands", "shop.control", "update"), ("shop.commands", "shop.control", "calling.#"),
        ("shop.control", "shop.calls.default", ""), ("shop.live", "shop.calls.second", ""),
    }  # fmt: skip


def test_a_command_on_a_live_call_is_not_lost_while_its_lane_is_missing():
    for exchange in ("shop.commands", "shop.live", "shop.control"):
        assert EXCHANGES[exchange].arguments["alternate-exchange"] in EXCHANGES
    assert EXCHANGES["shop.control"].arguments["alternate-exchange"] == "shop.unrouted"


def test_waiting_dials_have_queues_that_lose_nothing():
    made = dial_lanes(NAMES, "second", 2).queues
    assert [q.name for q in made] == ["shop.dial.second.1", "shop.dial.second.2"]
    for queue in made:
        assert queue.arguments["x-queue-type"] == "quorum"
        assert queue.arguments["x-dead-letter-exchange"] == "shop.returned"
        assert queue.arguments["x-dead-letter-routing-key"] == "dial"
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert queue.arguments["x-overflow"] == "reject-publish"


@pytest.mark.parametrize("command", sorted(CATALOG))
def test_every_command_reaches_exactly_its_lane(command):
    assert routed(command) == {"shop.dial" if command == "dial" else "shop.control"}


@pytest.mark.parametrize("key", ["", "fly", "dial.again", "update.x", "calling2", "Dial"])
def test_anything_else_is_unrouted_and_not_lost(key):
    assert routed(key) == {"shop.unrouted"}


@pytest.mark.parametrize("name", sorted(QUEUES))
def test_every_queue_is_quorum_with_an_explicit_delivery_limit(name):
    assert QUEUES[name]["x-queue-type"] == "quorum"
    assert QUEUES[name]["x-delivery-limit"] >= 20


@pytest.mark.parametrize("name", sorted(set(QUEUES) - END_OF_THE_LINE))
def test_what_leaves_a_queue_by_itself_goes_somewhere_at_least_once(name):
    arguments = QUEUES[name]
    assert arguments["x-dead-letter-strategy"] == "at-least-once"
    assert arguments["x-overflow"] == "reject-publish"
    exchange = arguments["x-dead-letter-exchange"]
    assert routed(arguments.get("x-dead-letter-routing-key", "dial"), exchange)


@pytest.mark.parametrize("name", sorted(END_OF_THE_LINE))
def test_what_lies_at_the_end_is_not_moved_by_looking_at_it(name):
    assert QUEUES[name]["x-delivery-limit"] == 2_147_483_647
    assert "x-dead-letter-exchange" not in QUEUES[name]


def test_only_the_dead_age_and_the_unknown_never_do():
    assert QUEUES["shop.dead"]["x-message-ttl"] == 7 * 86_400_000
    assert "x-message-ttl" not in QUEUES["shop.unknown"]


def test_a_tier_keeps_for_its_time_and_returns_by_the_routing_key():
    for tier in TIERS:
        name = f"shop.retry.{tier.name}"
        assert EXCHANGES[name].kind == "fanout"
        assert routed("calling.play", name) == {name}
        assert QUEUES[name]["x-message-ttl"] == tier.seconds * 1000
        assert QUEUES[name]["x-dead-letter-exchange"] == "shop.commands"
        assert "x-dead-letter-routing-key" not in QUEUES[name]


def test_one_worker_at_a_time_reads_the_control_lane_so_that_order_holds():
    active = [q for q, a in QUEUES.items() if a.get("x-single-active-consumer")]
    assert active == ["shop.control", "shop.control.second"]
    own = [control_lane(NAMES, account) for account in ("default", "second")]
    assert [(lane.queue, lane.ordered) for lane in (*own, *lanes(NAMES))] == [
        ("shop.control", True), ("shop.control.second", True),
        ("shop.dial", False), ("shop.unrouted", False), ("shop.returned", False),
    ]  # fmt: skip


def test_bindings_and_dead_letters_name_only_what_exists():
    for binding in WANTED.bindings:
        assert binding.exchange in EXCHANGES
        assert binding.target in (EXCHANGES if binding.kind == "exchange" else QUEUES)
    assert {a["x-dead-letter-exchange"] for a in QUEUES.values() if "x-dead-letter-exchange" in a} <= set(EXCHANGES)
    assert {lane.queue for lane in lanes(NAMES)} <= set(QUEUES)


def test_the_brokers_own_format_says_the_same():
    exported = definitions(WANTED, "/v")
    assert {e["name"]: e["type"] for e in exported["exchanges"]} == {n: e.kind for n, e in EXCHANGES.items()}
    assert {q["name"]: q["arguments"] for q in exported["queues"]} == QUEUES
    assert len(exported["bindings"]) == len(WANTED.bindings)
    for thing in (*exported["exchanges"], *exported["queues"]):
        assert (thing["vhost"], thing["durable"], thing["auto_delete"]) == ("/v", True, False)
    assert {(b["destination"], b["destination_type"], b["vhost"]) for b in exported["bindings"]} == {
        (b.target, b.kind, "/v") for b in WANTED.bindings
    }
