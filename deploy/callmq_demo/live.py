"""``--live``: one real call, ended at once, and what never reaches the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callmq_contracts.codec import judge
from callmq_contracts.command import Rejected
from callmq_contracts.examples import EXAMPLES
from callmq_contracts.problem import ProblemCode
from callmq_contracts.reply import OutcomeName
from callmq_demo.cases import FIRST_CALL, Case, Expected, bad_input
from callmq_worker.settings import SettingsError, load

if TYPE_CHECKING:
    from collections.abc import Mapping

# What the worker of --live is given of the caller's environment; everything else is the demo's own.
_NAMES = tuple(
    f"{name}{suffix}"
    for name in ("SIGNALWIRE_SPACE", "SIGNALWIRE_PROJECT_ID", "SIGNALWIRE_API_TOKEN", "CALLMQ_ENDPOINT_URL")
    for suffix in ("", "_FILE")
)
_HANGUP: dict[str, Any] = {
    "version": "1.0.0",
    "sections": {"main": [{"answer": {}}, {"play": {"url": "say:This is a test of callmq. Goodbye."}}, {"hangup": {}}]},
}
_SHOWN_ENDS = 2


def account_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of the real endpoint that the environment has."""
    return {name: environment[name] for name in _NAMES if environment.get(name)}


def faults(environment: Mapping[str, str], to: str | None, sender: str | None) -> list[str]:
    """Return a sentence for each thing without which --live does not begin; no value is repeated."""
    found = []
    if not to or not sender:
        found.append("--live rings a real phone: name it with --to NUMBER, and one of yours with --from NUMBER.")
    else:
        judged = judge(dial(to, sender), key="live")
        if isinstance(judged, Rejected):
            found += [f"{each['path']} {each['message']}" for each in judged.problem.as_dict()["errors"]]
    try:
        load({**account_settings(environment), "CALLMQ_AMQP_URL": "amqp://localhost/"})
    except SettingsError as error:
        found += error.errors
    return found


def dial(to: str, sender: str) -> dict[str, Any]:
    """Return the body of the one dial."""
    return {"command": "dial", "params": {"from": sender, "to": to, "swml": _HANGUP, "timeout": 20}}


def live_cases(to: str, sender: str) -> tuple[Case, ...]:
    """Return the cases: the call, its end, and bad input."""
    body = dial(to, sender)
    over = Expected(OutcomeName.REJECTED, ProblemCode.REFUSED.value, http_status=422)
    gone = Expected(OutcomeName.REJECTED, ProblemCode.REFUSED.value, http_status=404)
    end = EXAMPLES["calling.end"][0]
    return (
        Case("dial", "the one real call", body, "dial", opens=FIRST_CALL),
        Case("end", "its end", end, "end", call=FIRST_CALL, otherwise=(over, gone)),
        *bad_input("dial", body),
    )


def announcement(to: str, sender: str) -> str:
    """Say exactly what will happen; of the numbers only the ends are shown."""
    return (
        "--live: the real endpoint, with your account, at your cost.\n"
        f"  1. One dial, from {_ends(sender)} to {_ends(to)}: a phone rings, says one sentence if answered, hangs up.\n"
        "  2. calling.end for that call as soon as the dial is accepted.\n"
        "  3. Five publishes that never reach the endpoint: a wrong body, no such command, one that is expired, the\n"
        "     dial's key again with the same body, and again with another one."
    )


def _ends(number: str) -> str:
    return f"...{number[-_SHOWN_ENDS:]}"
