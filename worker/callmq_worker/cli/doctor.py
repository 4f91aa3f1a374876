"""``callmq doctor``: look for what is wrong."""

import argparse
from collections import Counter
from typing import Final

from callmq_worker.cli.words import perform, plain, print_json, say
from callmq_worker.core.diagnosis import Check, exit_code
from callmq_worker.examination import examine

HELP: Final = "look for what is wrong with settings, broker, ledger, endpoint and host"
_ABOUT: Final = """\
Looks at everything that a worker needs and changes nothing: no command is sent, nothing is declared, no file made.
Run it where the worker runs, as the worker's user, with its settings. CALLMQ_MANAGEMENT_URL
(http://user:password@host:15672) lets it see bindings, policies, alarms, timeouts and the broker's clock too.

Exit codes: 0 all well or only warnings, 1 something is wrong, 3 something could not be reached."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verb's options."""
    parser.description, parser.formatter_class = _ABOUT, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="one JSON document a line")


def run(args: argparse.Namespace) -> int:
    """Run the verb; return its exit code."""
    return perform("doctor", _examine(as_json=args.json))


async def _examine(*, as_json: bool) -> int:
    checks: list[Check] = []
    async for check in examine():
        checks.append(check)
        if as_json:
            print_json(check.row())
        else:
            todo = f"\n         -> {plain(check.todo)}" if check.todo else ""
            print(f"{check.state.value:8} {check.name}: {plain(check.detail)}{todo}", flush=True)
    counts = Counter(check.state.value for check in checks)
    say("doctor", ", ".join(f"{count} {state}" for state, count in counts.items()) + ".")
    return exit_code(checks)
