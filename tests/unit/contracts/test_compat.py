"""No change may refuse what the last released description takes, unless the wire's version is raised."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

import pytest
from pydantic import Field

from callmq_contracts import CATALOG, PlayVolume, codec
from callmq_contracts.asyncapi import asyncapi
from callmq_contracts.commands.control import ControlParams
from callmq_contracts.commands.play import PlayVolumeParams
from unit.contracts.narrowing import Place, narrowings
from unit.contracts.released import last_released, losses, refusals, wire_version

REVIEWED: Mapping[str, str] = {
    f"{command} headers: priority: {loss}": "a header that said nothing before it was given a meaning"
    for command in CATALOG
    for loss in ("only string is taken", "only some words are taken")
}
"""Losses by structure that are none, each with its reason: a pattern that takes more, for instance."""


@pytest.fixture(scope="module")
def released():
    return last_released()[1]


@pytest.fixture
def now():
    return copy.deepcopy(asyncapi())


def test_nothing_is_lost_by_structure(released, now):
    found = losses(released, now)
    assert [loss for loss in found if loss not in REVIEWED] == [], "raise WIRE_VERSION, or take the change back"
    assert set(REVIEWED) <= set(found), "reviewed losses that are none any more"


@pytest.mark.parametrize("command", list(last_released()[1]["channels"]["commands"]["messages"]))
def test_nothing_is_refused_that_was_taken(released, now, command):
    if wire_version(now) == wire_version(released):
        assert list(refusals(released, only=command)) == []


def model(document, name):
    return document["components"]["schemas"][name]


def parameter(document, name, key):
    return model(document, name)["properties"][key]


EDITS = {
    "a removed word": (
        lambda d: parameter(d, "PlayParams", "direction")["enum"].remove("both"),
        "calling.play payload: params.direction: the word 'both' is gone",
    ),
    "a new required key": (
        lambda d: model(d, "TransferParams")["required"].append("reason"),
        "calling.transfer payload: params: reason is required",
    ),
    "a key that became required": (
        lambda d: model(d, "DialParams")["required"].append("to"),
        "dial payload: params: to is required",
    ),
    "a tightened bound": (
        lambda d: parameter(d, "DialParams", "timeout").update(maximum=300),
        "dial payload: params.timeout: maximum is 300, was 600",
    ),
    "a new bound": (
        lambda d: parameter(d, "RingtoneParams", "duration").update(minimum=0),
        "calling.play payload: params.play.[].params.duration: minimum is 0, was None",
    ),
    "a removed property": (
        lambda d: model(d, "DialParams")["properties"].pop("region"),
        "dial payload: params: region is gone",
    ),
    "a narrower type": (
        lambda d: parameter(d, "SilenceParams", "duration").update(type="integer"),
        "calling.play payload: params.play.[].params.duration: only integer is taken",
    ),
    "a list that may not be empty": (
        lambda d: parameter(d, "CollectSpeech", "hints").update(minItems=1),
        "calling.collect payload: params.speech.hints: minItems is 1, was 0",
    ),
    "a text that may not be empty": (
        lambda d: parameter(d, "DialParams", "caller_id").update(minLength=1),
        "dial payload: params.caller_id: minLength is 1, was 0",
    ),
    "another pattern": (
        lambda d: parameter(d, "StreamParams", "url").update(pattern="^wss://"),
        "calling.stream payload: params.url: another pattern",
    ),
    "a new rule across keys": (
        lambda d: model(d, "RecordParams").update(anyOf=[{"required": ["status_url"]}]),
        "calling.record payload: params: status_url is required",
    ),
    "a closed object": (
        lambda d: parameter(d, "UserEventParams", "event").update(additionalProperties=False),
        "calling.user_event payload: params.event.*: nothing is taken any more",
    ),
    "a key of a free object that is looked at": (
        lambda d: parameter(d, "DialParams", "swml").update(properties={"version": {"type": "string"}}),
        "dial payload: params.swml.version: only string is taken",
    ),
    "a union's branch that is gone": (
        lambda d: parameter(d, "TapParams", "device")["oneOf"].pop(),
        "calling.tap payload: params.device.type: the word 'ws' is gone",
    ),
    "a model deep inside": (
        lambda d: parameter(d, "StringArgument", "enum")["items"].update(enum=["a"]),
        "calling.ai_sidecar payload: params.SWAIG.functions.[].parameters.properties.*.enum.[]: only some words",
    ),
    "a command that is gone": (
        lambda d: d["channels"]["commands"]["messages"].pop("calling.refer"),
        "calling.refer: the command is gone",
    ),
    "a key that became required by class": (
        lambda d: d["components"]["messages"]["calling.play.stop"].update(
            headers={"$ref": "#/components/schemas/KeyedCommandHeaders"}
        ),
        "calling.play.stop headers: all of it: idempotency-key is required",
    ),
    "a shorter header": (
        lambda d: parameter(d, "CommandHeaders", "campaign").update(maxLength=64),
        "update headers: campaign: maxLength is 64, was None",
    ),
    "a leniency that is gone": (
        lambda d: d["components"]["messages"]["calling.record"]["x-callmq"]["leniencies"].clear(),
        "calling.record: the leniency control_id_derived is gone",
    ),
    "an exchange of another name": (
        lambda d: d["channels"]["commands"]["bindings"]["amqp"]["exchange"].update(name="callmq.orders"),
        "channel commands: it is elsewhere",
    ),
    "an outcome that readers do not know": (
        lambda d: parameter(d, "Reply", "outcome")["enum"].append("postponed"),
        "reply payload, as read: outcome: the word 'postponed' is gone",
    ),
    "a key that readers rely on": (
        lambda d: model(d, "Reply")["required"].remove("attempts"),
        "reply payload, as read: all of it: attempts is required",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_each_loss_is_found(now, name):
    edit, loss = EDITS[name]
    before = copy.deepcopy(now)
    edit(now)
    found = losses(before, now)
    assert any(loss in each for each in found), found


def test_no_loss_where_the_version_is_raised(now):
    before = copy.deepcopy(now)
    model(now, "DialParams")["required"].append("to")
    now["info"]["version"] = "2+2027-01-01"
    assert losses(before, now) == []


GAINS = {
    "a new key": lambda d: model(d, "DialParams")["properties"].update(label={"type": "string"}),
    "a new word": lambda d: parameter(d, "PlayParams", "direction")["enum"].append("nobody"),
    "a wider bound": lambda d: parameter(d, "DialParams", "timeout").update(maximum=900, minimum=0),
    "no pattern": lambda d: parameter(d, "DialParams", "to").pop("pattern"),
    "a wider type": lambda d: parameter(d, "DialParams", "timeout").update(type="number"),
    "a key that is not required any more": lambda d: model(d, "DialParams")["required"].remove("from"),
    "a rule that is gone": lambda d: model(d, "DialParams").pop("allOf"),
    "a new branch": lambda d: parameter(d, "DialParams", "region")["oneOf"].append({"type": "integer"}),
    "any text or number": lambda d: parameter(d, "DialParams", "caller_id").update(type=["string", "number"]),
    "a new key in replies": lambda d: model(d, "Reply")["properties"].update(worker={"type": "string"}),
}


@pytest.mark.parametrize("name", GAINS)
def test_what_takes_more_is_no_loss(now, name):
    before = copy.deepcopy(now)
    GAINS[name](now)
    assert before != now
    assert losses(before, now) == []


def test_what_it_cannot_compare_it_says():
    with pytest.raises(AssertionError, match="dependentRequired"):
        list(narrowings({}, {"dependentRequired": {"a": ["b"]}}, Place({}, {})))


class Quiet(PlayVolumeParams):
    """A tightened bound."""

    volume: Annotated[float, Field(ge=-10, le=10)]


class QuietVolume(PlayVolume):
    """As ``PlayVolume``, with the tightened bound."""

    command: Literal["calling.play.volume"] = "calling.play.volume"
    params: Quiet


class Unloud(PlayVolume):
    """As ``PlayVolume``, without its key."""

    params: ControlParams


@pytest.mark.parametrize("changed", [QuietVolume, Unloud])
def test_a_changed_model_is_found_by_its_verdicts(released, monkeypatch, changed):
    name = "calling.play.volume"
    entry = replace(CATALOG[name], model=changed)
    monkeypatch.setattr(codec, "CATALOG", {**CATALOG, name: entry})
    assert list(refusals(released, only=name))


def test_a_changed_class_is_found(released, monkeypatch):
    name = "calling.denoise"
    unsafe = CATALOG["calling.transfer"].classify
    monkeypatch.setattr(codec, "CATALOG", {**CATALOG, name: replace(CATALOG[name], classify=unsafe)})
    assert list(refusals(released, only=name)) == [f"{name}: the released example {name}-1 needs a key now"]


def test_a_command_that_is_gone_is_found(released, monkeypatch):
    name = "calling.denoise"
    monkeypatch.setattr(codec, "CATALOG", {key: entry for key, entry in CATALOG.items() if key != name})
    assert list(refusals(released, only=name))
