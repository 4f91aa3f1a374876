"""``callmq schema``: the published description of what goes over the wire."""

import argparse
import os
from pathlib import Path
from typing import Final

import orjson

from callmq.cli.exits import EXIT_OK, UsageError
from callmq_contracts.asyncapi import asyncapi
from callmq_contracts.names import PREFIX_PATTERN, Names
from callmq_contracts.page import page
from callmq_contracts.schema import NAMES, json_schema

HELP: Final = "print the AsyncAPI document or the JSON Schema"
_ABOUT: Final = """\
asyncapi     prints the AsyncAPI 3.0 document: channels, operations, messages with headers and examples
json NAME    prints the JSON Schema (2020-12) of one command's body, or of reply, command.headers, reply.headers,
             dead.headers, unknown.headers
json         prints all of them as one object, by name
all          writes asyncapi.json, schemas/NAME.json and commands.md, a page for people; needs --out

Needs no broker. CALLMQ_PREFIX is the prefix of the exchanges and queues in the AsyncAPI document.
Exit codes: 0 done, 2 wrong usage."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=("asyncapi", "json", "all"))
    parser.add_argument("name", nargs="?", metavar="NAME", help="for json: a command, or one of the others above")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write files there instead; the folder is made")
    parser.add_argument("--json", action="store_true", help="with --out: the written files as JSON; else no difference")


def run(args: argparse.Namespace) -> int:
    """Print or write what is asked for; return the exit code."""
    if args.name is not None and args.what != "json":
        raise UsageError(f"{args.what} takes no NAME: only json does.")
    if args.name is not None and args.name not in NAMES:
        raise UsageError("There is no schema of that name. Known are: " + ", ".join(NAMES) + ".")
    if args.out is not None:
        written = [_write(args.out / name, text) for name, text in documents(args.what, args.name).items()]
        print(orjson.dumps({"written": written}).decode() if args.json else "\n".join(written))
    elif args.what == "all":
        raise UsageError("all writes several files: say where with --out DIR.")
    elif args.what == "json" and args.name is None:
        print(_text({name: json_schema(name) for name in NAMES}), end="")
    else:
        print(*documents(args.what, args.name).values(), end="")
    return EXIT_OK


def documents(what: str, name: str | None = None) -> dict[str, str]:
    """Return the text of each file by its name, such as ``schemas/dial.json``."""
    found: dict[str, str] = {}
    if what in {"asyncapi", "all"}:
        found["asyncapi.json"] = _text(asyncapi(_names()))
    if what in {"json", "all"}:
        found |= {f"schemas/{each}.json": _text(json_schema(each)) for each in ([name] if name else NAMES)}
    if what == "all":
        found["commands.md"] = page()
    return found


def _names() -> Names:
    prefix = os.environ.get("CALLMQ_PREFIX") or Names().prefix
    if not PREFIX_PATTERN.match(prefix):
        raise UsageError("CALLMQ_PREFIX: must be 1 to 64 letters, digits, '_' or '-'.")
    return Names(prefix)


def _text(document: object) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _write(path: Path, text: str) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"--out: {path.name} can't be written there ({error.strerror}).") from None
    return str(path)
