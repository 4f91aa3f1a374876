"""What the verbs that speak to all workers name: a key, a campaign, a call or an account, by the contract's rules."""

import argparse
from typing import Final

from callmq_contracts.envelope import (
    ACCOUNT,
    CALL_ID,
    CAMPAIGN,
    IDEMPOTENCY_KEY,
    Properties,
    read_envelope,
)
from callmq_contracts.names import DEFAULT_ACCOUNT
from callmq_worker.core.controls import Scope, Target

_HEADERS: Final = {"key": IDEMPOTENCY_KEY, "campaign": CAMPAIGN, "call": CALL_ID, "account": ACCOUNT}
_MEANINGS: Final = {
    "key": "the idempotency key",
    "campaign": "the header 'campaign', in all accounts",
    "call": "the call's id",
    "account": "the account's name, as the workers' settings have it",
}


def add_names(parser: argparse.ArgumentParser, *scopes: str) -> None:
    """Add one option for each scope, of which exactly one must be given."""
    group = parser.add_mutually_exclusive_group(required=True)
    for scope in scopes:
        group.add_argument(f"--{scope}", help=_MEANINGS[scope])


def wrong_name(args: argparse.Namespace) -> str | None:
    """Return what is wrong with a name that was given, None where no message could bear it otherwise."""
    for option, header in _HEADERS.items():
        value = getattr(args, option, None)
        if value is not None:
            if not value.isprintable():  # a shell's bytes that are no UTF-8 among them: no message has such a name
                return f"--{option} must be printable text."
            _envelope, problem = read_envelope(Properties(headers={header: value}))
            if problem is not None:
                return problem.errors[0].message.replace(f"'{header}'", f"--{option}")  # type: ignore[union-attr]
    return None


def meant(args: argparse.Namespace) -> Target:
    """Return what was named."""
    if getattr(args, "key", None) is not None:
        return Target(Scope.KEY, args.key, args.account or DEFAULT_ACCOUNT)
    if getattr(args, "call", None) is not None:
        return Target(Scope.CALL, args.call.lower())
    if args.campaign is not None:
        return Target(Scope.CAMPAIGN, args.campaign)
    return Target(Scope.ACCOUNT, args.account)
