"""The public vocabulary as the users' type checkers see it. What is expected of them stands in producer.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
READ = HERE / "producer.py"
SOURCES = os.pathsep.join(str(ROOT / room) for room in ("contracts", "producer"))
NOWHERE = "http://127.0.0.1:9"


def mypy(config: Path, source: Path) -> list[str]:
    cache = ROOT / ".mypy_cache" / config.stem
    return [sys.executable, "-m", "mypy", "--config-file", str(config), "--cache-dir", str(cache), str(source)]


def pyright(project: Path) -> list[str]:
    return [sys.executable, "-m", "pyright", "--project", str(project), "--pythonpath", sys.executable]


def said(command: list[str]) -> tuple[int, str]:
    """Run a checker from the root and without a network: nothing may be fetched when it runs."""
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), NOWHERE)
    more = {"MYPYPATH": SOURCES, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    environment = {**os.environ, **proxies, **more}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [mypy(HERE / "mypy.ini", READ), mypy(ROOT / "pyproject.toml", READ), pyright(HERE)],
    ids=["mypy", "mypy with pydantic's plugin", "pyright"],
)
def test_every_type_and_every_mistake_is_seen(command):
    code, words = said(command)
    assert code == 0, words


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_wrong_expectation_is_told(checker, tmp_path):
    """The checkers do look: a type that is not so and a mark that nothing needs are both errors."""
    source = tmp_path / "producer.py"
    text = READ.read_text()
    wrong = text.replace("assert_type(params.from_, str)", "assert_type(params.from_, int)")
    wrong = wrong.replace("    Dial()  #", "    Dial(params=params)  #")
    assert wrong.count("\n") == text.count("\n")
    source.write_text(wrong)
    lines = [n for n, (a, b) in enumerate(zip(text.split("\n"), wrong.split("\n"), strict=True), 1) if a != b]
    if checker == "mypy":
        command = mypy(HERE / "mypy.ini", source)
    else:
        settings = (HERE / "pyrightconfig.json").read_text()
        (tmp_path / "pyrightconfig.json").write_text(settings.replace("../..", str(ROOT)))
        command = pyright(tmp_path)
    code, words = said(command)
    assert code == 1, words
    assert all(f"producer.py:{line}:" in words for line in lines), words
    assert len([line for line in words.splitlines() if "error:" in line or "- error" in line]) == 2, words
