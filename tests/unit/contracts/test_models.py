import ast
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import callmq_contracts
from callmq_contracts import (
    CATALOG,
    EXAMPLE_CALL_ID,
    EXAMPLES,
    Body,
    Dial,
    DialParams,
    Inject,
    Injection,
    LiveTranslate,
    LiveTranslateParams,
    Play,
    PlayAudio,
    PlayParams,
    PlayTts,
    Rejected,
    TtsParams,
    Update,
    UpdateParams,
    UserEvent,
    UserEventParams,
    decode,
)

PURE = {"pydantic", "pydantic_core", "orjson", "callmq_contracts"}
IMPURE = {"asyncio", "time", "random", "logging", "os", "socket", "secrets"}


def test_models_are_made_with_python_names_and_written_with_the_wire_s():
    dial = Dial(params=DialParams(from_="+15550100", to="+15550101", url="https://example.com"))
    assert dial.body() == {
        "command": "dial",
        "params": {"from": "+15550100", "to": "+15550101", "url": "https://example.com"},
    }
    assert decode(dial.wire()).body == dial.body()


def test_nested_models_pass_through_the_unions():
    play = Play(
        id=EXAMPLE_CALL_ID,
        params=PlayParams(control_id="c", play=[PlayTts(type="tts", params=TtsParams(text="Hello"))]),
    )
    assert play.body()["params"]["play"] == [{"type": "tts", "params": {"text": "Hello"}}]
    said = LiveTranslate(
        id=EXAMPLE_CALL_ID,
        params=LiveTranslateParams(action=Inject(inject=Injection(message="x", direction="local-caller"))),
    )
    assert said.body()["params"]["action"] == {"inject": {"message": "x", "direction": "local-caller"}}


def test_a_wrong_branch_is_refused():
    with pytest.raises(ValidationError) as caught:
        PlayAudio(type="tts", params={"text": "x"})
    assert "Hello" not in str(caught.value)


def test_constructors_do_not_show_values():
    with pytest.raises(ValidationError) as caught:
        DialParams(from_="", to="CANARY", password="CANARY", swml={"CANARY": 1})
    assert "CANARY" not in str(caught.value)
    assert caught.value.error_count() == 3


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("hide", [lambda n: n, lambda n: [{"a": [n]}]])
def test_what_json_lacks_is_not_written_as_null(number, hide):
    event = UserEvent(id=EXAMPLE_CALL_ID, params=UserEventParams(event={"x": hide(number), "y": None}))
    with pytest.raises(ValueError, match="NaN or infinity"):
        event.wire()
    assert b'{"y":null}' in UserEvent(id=EXAMPLE_CALL_ID, params=UserEventParams(event={"y": None})).wire()


def test_none_is_told_to_be_left_out():
    """Type checkers take None, as what an absent key reads as."""
    with pytest.raises(ValidationError, match="leave it out"):
        DialParams(from_="x", to="+15550100", url="https://a", timeout=None)


def test_update_by_status_can_be_made():
    update = Update(params=UpdateParams(id=EXAMPLE_CALL_ID, status="canceled"))
    assert decode(update.wire()).leniencies == ("update_status_only",)


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_models_give_back_what_they_were_made_of(name, as_bytes):
    for body in EXAMPLES[name]:
        model = CATALOG[name].model.model_validate(body)
        assert isinstance(model, Body)
        assert model.body() == body
        assert not isinstance(decode(model.wire()), Rejected)


@pytest.mark.parametrize("name", sorted(CATALOG))
def test_json_schema_can_be_written(name):
    text = str(CATALOG[name].model.model_json_schema())
    assert "'default': None" not in text
    assert "<?>" not in text


def test_the_vocabulary_is_exported():
    exported = set(callmq_contracts.__all__)
    assert len(exported) == len(callmq_contracts.__all__)
    assert all(hasattr(callmq_contracts, name) for name in exported)
    assert {entry.model.__name__ for entry in CATALOG.values()} <= exported


def test_contracts_are_pure():
    root = Path(callmq_contracts.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module]
            for name in names:
                top = name.split(".")[0]
                assert top in PURE | (sys.stdlib_module_names - IMPURE), f"{path.name}: {name}"
