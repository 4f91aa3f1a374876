"""``callmq schema``: prints to standard output, or writes files."""

from __future__ import annotations

import json

import pytest

from callmq.cli import main
from callmq_contracts import CATALOG
from callmq_contracts.schema import NAMES, json_schema


def test_one_schema_is_printed(capsys):
    assert main(["schema", "json", "calling.play"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema("calling.play")


def test_all_schemas_are_printed_by_name(capsys):
    assert main(["schema", "json", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == list(NAMES)


def test_the_asyncapi_document_has_the_prefix(capsys, monkeypatch):
    monkeypatch.setenv("CALLMQ_PREFIX", "shop")
    assert main(["schema", "asyncapi"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["asyncapi"] == "3.0.0"
    assert document["channels"]["unknown"]["address"] == "shop.unknown"
    assert list(document["channels"]["commands"]["messages"]) == list(CATALOG)


@pytest.mark.parametrize("words", [["schema", "all"], ["schema", "json", "reply"], ["schema", "asyncapi"]])
def test_files_are_written(words, tmp_path, capsys):
    folder = tmp_path / "deep" / "reference"
    assert main([*words, "--out", str(folder), "--json"]) == 0
    written = json.loads(capsys.readouterr().out)["written"]
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(written)
    assert len(files) == {"all": len(NAMES) + 2}.get(words[1], 1)
    assert main([*words, "--out", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines() == written


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["all"], "--out DIR"),
        (["json", "calling.nothing"], "no schema of that name"),
        (["asyncapi", "dial"], "takes no NAME"),
        (["nonsense"], "invalid choice"),
    ],
)
def test_wrong_usage(words, said, capsys):
    assert main(["schema", *words]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_a_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    assert main(["schema", "asyncapi", "--out", str(tmp_path / "file")]) == 2
    assert "asyncapi.json can't be written there" in capsys.readouterr().err


def test_a_wrong_prefix_is_named_and_not_shown(capsys, monkeypatch):
    monkeypatch.setenv("CALLMQ_PREFIX", "two words")
    assert main(["schema", "asyncapi"]) == 2
    assert "CALLMQ_PREFIX" in (said := capsys.readouterr().err)
    assert "two words" not in said
