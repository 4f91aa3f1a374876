"""Files of credentials as platforms and people write them: swapped, replaced, rewritten, half-written, gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callmq_worker.adapters.secret_files import MOST_BYTES, SecretFiles, SecretUnfitError

PROJECT, TOKEN = "project_id", "api_token"


@pytest.fixture
def files(tmp_path) -> SecretFiles:
    for name in (PROJECT, TOKEN):
        (tmp_path / name).write_text(f"first {name}\n".replace(" ", "-"))
    found = SecretFiles({name: str(tmp_path / name) for name in (PROJECT, TOKEN)})
    assert found.look() is None
    assert found.look() == {PROJECT: "first-project_id", TOKEN: "first-api_token"}
    return found


def settled(files: SecretFiles):
    """Look twice, as after a change that is over."""
    assert files.look() is None
    return files.look()


def replaced(path: Path, content: str) -> None:
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(content)
    beside.replace(path)


def rewritten(path: Path, content: str) -> None:
    path.write_text(content)


@pytest.mark.parametrize("write", [replaced, rewritten])
def test_what_changed_is_read_once(write, files, tmp_path):
    write(tmp_path / TOKEN, " second \n")
    assert settled(files) == {PROJECT: "first-project_id", TOKEN: "second"}
    assert [files.look() for _ in range(3)] == [None] * 3


def test_a_file_that_was_only_touched_says_the_same_again(files, tmp_path):
    os.utime(tmp_path / TOKEN, ns=(0, 0))
    assert settled(files) == {PROJECT: "first-project_id", TOKEN: "first-api_token"}
    assert files.look() is None


def test_a_swapped_link_of_kubernetes_is_followed(tmp_path):
    def revision(name: str) -> None:
        folder = tmp_path / f"..{name}"
        folder.mkdir()
        for word in (PROJECT, TOKEN):
            (folder / word).write_text(name)
        (tmp_path / "..tmp").symlink_to(folder.name)
        (tmp_path / "..tmp").rename(tmp_path / "..data")

    revision("one")
    for word in (PROJECT, TOKEN):
        (tmp_path / word).symlink_to(Path("..data") / word)
    files = SecretFiles({word: str(tmp_path / word) for word in (PROJECT, TOKEN)})
    assert settled(files) == {PROJECT: "one", TOKEN: "one"}
    revision("two")
    assert settled(files) == {PROJECT: "two", TOKEN: "two"}


def test_what_is_still_being_written_is_left_alone(files, tmp_path):
    for part in ("s", "se", "sec"):
        (tmp_path / TOKEN).write_text(part)
        assert files.look() is None
    assert files.look() == {PROJECT: "first-project_id", TOKEN: "sec"}


def test_two_files_that_change_one_after_the_other_are_taken_together(files, tmp_path):
    (tmp_path / PROJECT).write_text("second-project")
    assert files.look() is None
    (tmp_path / TOKEN).write_text("second-token")
    assert files.look() is None
    assert files.look() == {PROJECT: "second-project", TOKEN: "second-token"}


UNFIT = {
    "empty": b"",
    "blank": b" \n\t\n",
    "binary": b"\xff\xfe\x00",
    "two lines": b"one\ntwo\n",
    "two words": b"one two",
    "control": b"one\x00two",
    "huge": b"x" * (MOST_BYTES + 1),
}


@pytest.mark.parametrize("content", UNFIT.values(), ids=UNFIT)
def test_what_can_not_be_a_credential_is_told_once_and_without_its_content(content, files, tmp_path):
    (tmp_path / TOKEN).write_bytes(content)
    assert files.look() is None
    with pytest.raises(SecretUnfitError) as caught:
        files.look()
    assert caught.value.name == TOKEN
    assert "one" not in caught.value.reason
    assert [files.look() for _ in range(3)] == [None] * 3
    (tmp_path / TOKEN).write_text("mended")
    assert settled(files) == {PROJECT: "first-project_id", TOKEN: "mended"}


def test_a_file_that_is_gone_or_no_file_is_told_once(files, tmp_path):
    (tmp_path / TOKEN).unlink()
    assert files.look() is None
    with pytest.raises(SecretUnfitError, match="api_token"):
        files.look()
    os.mkfifo(tmp_path / TOKEN)  # opening it would wait for a writer
    assert files.look() is None
    with pytest.raises(SecretUnfitError, match="is no file"):
        files.look()
    assert files.look() is None


def test_a_link_that_leads_in_a_circle_is_told_once(tmp_path):
    (tmp_path / TOKEN).symlink_to(tmp_path / TOKEN)
    files = SecretFiles({TOKEN: str(tmp_path / TOKEN)})
    assert files.look() is None
    with pytest.raises(SecretUnfitError):
        files.look()
    assert files.look() is None
