"""Restricted accounts through intake: who may use one, at which price, and what is kept while a command waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_contracts.envelope import Properties
from callmq_contracts.problem import ProblemCode
from callmq_worker.core.denial import Restrictions, capped
from callmq_worker.core.intake import Accepted, Refusal, read
from callmq_worker.core.publications import Message, postponed
from callmq_worker.core.retry import parse_tiers
from callmq_worker.core.settle import Past
from commands import DIAL, RULES, SECRET, properties
from flights import NAMES
from intents import START
from restricted import FRAUD, STRICT, command, dial, on_call, swml, trees

# The price


def price(body: dict[str, Any], ceiling: float = 0.05) -> Any:
    return capped(command(body), ceiling)["params"]["max_price_per_minute"]


@pytest.mark.parametrize(
    ("given_price", "sent"), [(None, 0.05), (0.01, 0.01), (0.05, 0.05), (0.06, 0.05), (9, 0.05), (0, 0)]
)
def test_a_dial_costs_at_most_the_ceiling(given_price, sent):
    assert price(dial(**({} if given_price is None else {"max_price_per_minute": given_price}))) == sent


def test_a_price_is_lowered_wherever_it_stands_and_added_to_dials_only():
    connect = {"connect": {"max_price_per_minute": "${x}", "serial": [{"max_price_per_minute": True}]}}
    sent = capped(command(swml(connect)), 0.05)["params"]
    assert sent["max_price_per_minute"] == 0.05
    assert sent["swml"]["sections"]["main"] == [
        {"connect": {"max_price_per_minute": 0.05, "serial": [{"max_price_per_minute": 0.05}]}}
    ]
    assert capped(command(on_call("calling.end")), 0.05) == on_call("calling.end")


def test_the_producers_own_data_passes_untouched():
    variables = {"max_price_per_minute": "9"}
    assert capped(command(dial(custom_variables=variables)), 0.05)["params"]["custom_variables"] == variables
    event = on_call("calling.user_event", event={"max_price_per_minute": 9})
    assert capped(command(event), 0.05) == event


@given(trees, st.floats(0.001, 10))
def test_no_price_above_the_ceiling_is_sent_and_nothing_else_is_changed(tree, ceiling):
    given_command = command(on_call("calling.new_thing", x=tree, max_price_per_minute=3))
    before = orjson.dumps(given_command.body)
    sent = capped(given_command, ceiling)
    assert sent["params"].pop("max_price_per_minute") == min(3, ceiling)
    assert sent["params"]["x"] == given_command.body["params"]["x"]
    assert orjson.dumps(given_command.body) == before


# Through intake


def judged(rules: Restrictions, given: Properties, body: dict[str, Any] = DIAL) -> Accepted | Refusal:
    restricted = replace(RULES, restrictions={"second": rules})
    return read(orjson.dumps(body), given, START, restricted, secret=SECRET)


def of_second(**changes: Any) -> Properties:
    return properties("dial", headers={"account": "second"}, **changes)


@pytest.mark.parametrize(
    ("user", "passes"), [("billing", True), ("crm", False), (None, False), ("", False), (b"x", False)]
)
def test_only_listed_producers_use_an_account(user, passes):
    found = judged(Restrictions(producers=frozenset({"billing"})), of_second(user_id=user))
    assert isinstance(found, Accepted) == passes
    if isinstance(found, Refusal):
        problem = found.rejected.problem
        assert (problem.code, found.rejected.command) == (ProblemCode.ACCOUNT_FORBIDDEN, "dial")
        assert "crm" not in problem.detail


def test_another_account_is_not_restricted_by_it():
    nobody = Restrictions(producers=frozenset(), max_price_per_minute=0.01)
    found = judged(nobody, properties("dial", user_id="crm"))
    assert isinstance(found, Accepted)
    assert found.wire() == found.command.wire()


def test_what_is_not_allowed_is_refused_as_the_accounts_own_rule():
    found = judged(STRICT, of_second(), dial(to=FRAUD))
    assert isinstance(found, Refusal)
    assert found.rejected.problem.code is ProblemCode.POLICY_DENIED
    assert isinstance(judged(STRICT, of_second(), dial()), Accepted)


def test_the_fingerprint_is_of_what_was_published_and_not_of_what_is_sent():
    free, bound = (judged(r, of_second()) for r in (Restrictions(), Restrictions(max_price_per_minute=0.05)))
    assert isinstance(free, Accepted)
    assert isinstance(bound, Accepted)
    assert bound.command.fingerprint(SECRET) == free.command.fingerprint(SECRET)
    assert orjson.loads(bound.wire())["params"]["max_price_per_minute"] == 0.05
    assert "max_price_per_minute" not in orjson.loads(free.wire())["params"]


# A copy that waits is published by a worker


def waiting(given: Properties) -> Properties:
    found = judged(Restrictions(), given)
    message = Message(orjson.dumps(DIAL), given, found.envelope, START)
    copy = postponed(NAMES, message, parse_tiers("5s")[0], START + 5, Past(), secret=SECRET)
    return Properties(routing_key=copy.routing_key, content_type=copy.content_type, headers=copy.headers)


@pytest.mark.parametrize(("user", "passes"), [("billing", True), ("crm", False), (None, False)])
def test_who_published_a_command_is_known_after_it_waited(user, passes):
    rules = Restrictions(producers=frozenset({"billing"}))
    copy = waiting(of_second(user_id=user))
    assert copy.headers.get("callmq-user-id") == user
    assert isinstance(judged(rules, copy), Accepted) == passes
    again = waiting(copy)
    assert (again.headers.get("callmq-user-id"), judged(rules, again).envelope.user_id) == (user, user)


@pytest.mark.parametrize("change", [{"callmq-user-id": "billing"}, {"callmq-seal": "0" * 64}, {"callmq-seal": None}])
def test_nobody_else_says_who_published_it(change):
    rules = Restrictions(producers=frozenset({"billing"}))
    copy = waiting(of_second(user_id="crm"))
    forged = copy._replace(headers={**copy.headers, **change})
    assert isinstance(judged(rules, forged), Refusal)
    plain = of_second(user_id="crm")
    assert isinstance(judged(rules, plain._replace(headers={**plain.headers, "callmq-user-id": "billing"})), Refusal)


def test_a_worker_that_listens_itself_is_not_taken_for_the_producer():
    rules = Restrictions(producers=frozenset({"worker"}))
    assert isinstance(judged(rules, waiting(of_second(user_id="crm"))._replace(user_id="worker")), Refusal)
