"""The house rules: sizes, names, the import law, nothing of one machine."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHIPPED = ("contracts", "producer", "worker", "deploy")
WRITTEN = (*SHIPPED, "tests", "docs", "requirements", ".ci")
MOST_LINES, MOST_FUNCTION_LINES, MOST_PARAMETERS = 300, 40, 7
SAY_NOTHING = {"manager", "helper", "util", "utils", "common", "base", "processor", "service"}
# Split so that this file does not find itself.
MACHINE_PATHS = [re.compile("(?<![\\w.])/" + name + "/") for name in ("work", "root", "farm", "home/[a-z]+")]


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def texts() -> list[Path]:
    written = [path for folder in WRITTEN for path in (ROOT / folder).rglob("*") if path.is_file()]
    top = [path for path in ROOT.iterdir() if path.is_file() and path.suffix != ".db"]
    return sorted(path for path in (*written, *top) if path.suffix not in {".pyc", ".png"} and path.name != ".git")


def parsed(folders: tuple[str, ...]) -> list[tuple[Path, ast.AST]]:
    return [(path, node) for path in modules(*folders) for node in ast.walk(ast.parse(path.read_text()))]


def at(path: Path, node: ast.AST | None = None) -> str:
    line = f":{getattr(node, 'lineno', 0)}" if node else ""
    return f"{path.relative_to(ROOT)}{line}"


def too_long_files() -> list[str]:
    sizes = {path: len(path.read_text().splitlines()) for path in modules(*SHIPPED, "tests")}
    return [f"{at(path)} has {lines} lines" for path, lines in sizes.items() if lines > MOST_LINES]


def too_long_functions() -> list[str]:
    return [
        f"{at(path, node)} {node.name} has {lines} lines"
        for path, node in parsed((*SHIPPED, "tests"))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MOST_FUNCTION_LINES
    ]


def too_many_parameters() -> list[str]:
    found = []
    for path, node in parsed(SHIPPED):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            asked = [name for name in given if name not in {"self", "cls"}]
            if len(asked) > MOST_PARAMETERS:
                found.append(f"{at(path, node)} {node.name} has {len(asked)} parameters")
    return found


def empty_words() -> list[str]:
    names = [(at(path), path.stem) for path in modules(*SHIPPED, "tests")]
    names += [(at(path, node), node.name) for path, node in parsed(SHIPPED) if isinstance(node, ast.ClassDef)]
    return [f"{where} {name}" for where, name in names if words(name) & SAY_NOTHING]


def words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def machine_paths() -> list[str]:
    found = []
    for path in texts():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if any(pattern.search(line) for pattern in MACHINE_PATHS):
                found.append(f"{at(path)}:{number} {line.strip()[:80]}")
    return found


@pytest.mark.parametrize(
    "offences", [too_long_files, too_long_functions, too_many_parameters, empty_words, machine_paths]
)
def test_nothing_offends(offences) -> None:
    assert offences() == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [("UserManager", {"user", "manager"}), ("http_util", {"http", "util"}), ("HTTPService", {"http", "service"})],
)
def test_names_are_split_into_words(name: str, expected: set[str]) -> None:
    assert words(name) == expected


def test_the_import_law_is_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
