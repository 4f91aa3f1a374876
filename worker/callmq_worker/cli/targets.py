"""What the verbs that speak to all workers are about: a key, a campaign, a call, an account."""

import argparse
from collections.abc import Callable, Coroutine
from typing import Any, Final

from callmq_contracts.envelope import ACCOUNT_PATTERN
from callmq_contracts.names import DEFAULT_ACCOUNT
from callmq_worker.cli.words import EXIT_USAGE, perform, say
from callmq_worker.core.controls import Scope, Target
from callmq_worker.core.resolution import is_call_id

_LONGEST: Final = 255


def add_targets(parser: argparse.ArgumentParser, *scopes: Scope) -> None:
    """Add an option for each scope, and --json."""
    which = parser.add_mutually_exclusive_group()
    if Scope.KEY in scopes:
        which.add_argument("--key", type=_text, metavar="KEY", help="the command with this idempotency key")
    if Scope.CAMPAIGN in scopes:
        which.add_argument("--campaign", type=_text, metavar="NAME", help="all commands of this campaign")
    if Scope.CALL in scopes:
        which.add_argument("--call", type=_call, metavar="ID", help="all commands on this call")
    of_key = "the key's account (default: default)" if Scope.KEY in scopes else ""
    alone = "all commands of this account" if Scope.ACCOUNT in scopes else ""
    told = "; with --key, ".join(filter(None, (alone, of_key)))
    parser.add_argument("--account", type=_account, metavar="NAME", help=told)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(scopes=scopes)


def perform_on(verb: str, args: argparse.Namespace, act: Callable[[Target], Coroutine[Any, Any, int]]) -> int:
    """Perform an act on what the options name, and return its exit code."""
    given = {scope: getattr(args, scope.value, None) for scope in Scope}
    of_key = given[Scope.KEY] is not None
    named = [scope for scope, name in given.items() if name is not None and not (of_key and scope is Scope.ACCOUNT)]
    if len(named) != 1 or named[0] not in args.scopes:
        say(verb, f"name one of {', '.join(f'--{scope.value}' for scope in args.scopes)}.")
        return EXIT_USAGE
    account = (args.account or DEFAULT_ACCOUNT) if of_key else ""
    return perform(verb, act(Target(named[0], str(given[named[0]]), account)))


def _text(text: str) -> str:
    if not 0 < len(text) <= _LONGEST or not text.isprintable():
        raise argparse.ArgumentTypeError(f"must have 1 to {_LONGEST} printable characters")
    return text


def _call(text: str) -> str:
    if not is_call_id(text):
        raise argparse.ArgumentTypeError("must be a call id (8-4-4-4-12 hexadecimal digits)")
    return text.lower()


def _account(text: str) -> str:
    if not ACCOUNT_PATTERN.match(text):
        raise argparse.ArgumentTypeError("must have 1 to 64 letters, digits, '.', '_' or '-'")
    return text
