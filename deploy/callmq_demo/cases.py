"""What the demo publishes, and what must become of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from callmq_contracts.codec import judge
from callmq_contracts.command import Rejected, Safety
from callmq_contracts.examples import EXAMPLE_CALL_ID, EXAMPLES
from callmq_contracts.problem import ProblemCode
from callmq_contracts.reply import OutcomeName

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FIRST_CALL, SECOND_CALL, THIRD_CALL = "first", "second", "third"
LIFETIME = 300.0
_FAXES = (("send_fax", "invoice"), ("receive_fax", "order-form"))
# In an order in which each finds what it needs: an operation is started before it is steered and stopped.
ON_FIRST_CALL = (
    "update",
    *(f"calling.play{verb}" for verb in ("", ".pause", ".resume", ".volume", ".stop")),
    *(f"calling.record{verb}" for verb in ("", ".pause", ".resume", ".stop")),
    *(f"calling.collect{verb}" for verb in ("", ".start_input_timers", ".stop")),
    *(f"calling.{kind}{verb}" for kind in ("detect", "tap", "transcribe", "stream") for verb in ("", ".stop")),
    *("calling.denoise", "calling.denoise.stop", "calling.live_transcribe", "calling.live_translate"),
    *("calling.ai_hold", "calling.ai_unhold", "calling.ai_message", "calling.ai.stop"),
    *(f"calling.ai_sidecar{verb}" for verb in ("", ".status", ".poke", ".ask", ".stop")),
    *("calling.send_fax.stop", "calling.receive_fax.stop", "calling.user_event"),
)
ON_SECOND_CALL = ("calling.refer", "calling.transfer", "calling.disconnect")


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of a case: the reply's fields, and what the endpoint may see.

    ``received``: requests with this body under the case's key; ``acted``: how many of them it carried out.
    """

    outcome: OutcomeName = OutcomeName.SUCCEEDED
    code: str | None = None
    http_status: int | None = 200
    attempts: int = 1
    replayed: bool = False
    received: int = 1
    acted: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """The state into which a call is brought first, and the (kind, control id) of what runs on it."""

    state: str
    operations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One publish.

    ``name`` is its own; ``key`` the idempotency key, shared by repeats. ``call``: the call it is for; ``opens``: the
    call that its reply names; ``after``: cases that must be answered first. ``fault``: one that the endpoint is armed
    with for this key. ``expires_in`` in seconds. ``held``: the endpoint holds its answer back until the worker is
    dead; ``kills``: the worker is killed when all that is held is at the endpoint, after this case was published.
    ``otherwise``: other outcomes that are right as well.
    """

    name: str
    label: str
    body: Mapping[str, Any]
    key: str
    expected: Expected = Expected()
    valid: bool = True
    call: str | None = None
    opens: str | None = None
    after: tuple[str, ...] = ()
    fault: Mapping[str, Any] | None = None
    scene: Scene | None = None
    expires_in: float = LIFETIME
    held: bool = False
    kills: bool = False
    otherwise: tuple[Expected, ...] = ()

    @property
    def command(self) -> str:
        """The command's name, as the body has it: the routing key."""
        return str(self.body["command"])

    @property
    def safety(self) -> Safety | None:
        """The class of the body; None where it breaks its contract."""
        judged = judge(dict(self.body), key=self.key)
        return None if isinstance(judged, Rejected) else judged.safety


def rejected(code: ProblemCode) -> Expected:
    """Expect that it is rejected without having been sent."""
    return Expected(OutcomeName.REJECTED, code.value, http_status=None, attempts=0, received=0, acted=0)


def on_call(body: Mapping[str, Any], call_id: str) -> dict[str, Any]:
    """Return an example's body for a call that lives."""
    if body.get("id") == EXAMPLE_CALL_ID:
        return {**body, "id": call_id}
    params = body.get("params") or {}
    return {**body, "params": {**params, "id": call_id}} if params.get("id") == EXAMPLE_CALL_ID else dict(body)


def sandbox_cases(*, kill: bool) -> tuple[Case, ...]:
    """Return all cases in the order of publishing; with ``kill`` those that are in flight when the worker is killed."""
    bad = bad_input("original", EXAMPLES["dial"][0])
    # The second call is known last: the endpoint throttles its dial first.
    return (*_dials(kill=kill), *_first_call(kill=kill), *bad, _cancel(), *_second_call(), *_ends())


def keyed(cases: Sequence[Case], run: str) -> tuple[Case, ...]:
    """Give the keys of one run a word of its own: the endpoint must not take a later run for a repeat."""
    return tuple(replace(case, key=f"{run}-{case.key}") for case in cases)


def bad_input(original: str, dial: Mapping[str, Any]) -> tuple[Case, ...]:
    """Return what must never reach the endpoint; ``original`` is the case of the dial whose key comes again."""
    play = EXAMPLES["calling.play"][0]
    other = {**dial, "params": {**dial["params"], "timeout": 31}}
    wrong = {"command": "dial", "params": {"from_": dial["params"]["from"], "url": "https://example.com/swml"}}
    expired = Expected(OutcomeName.EXPIRED, ProblemCode.EXPIRED.value, None, attempts=0, received=0, acted=0)
    again = Expected(replayed=True, received=0, acted=0)
    conflict = rejected(ProblemCode.IDEMPOTENCY_CONFLICT)
    invalid = rejected(ProblemCode.INVALID_PARAMS)
    unknown = rejected(ProblemCode.UNKNOWN_COMMAND)
    first = (original,)
    return (
        Case("wrong", "'from_' and no 'to'", wrong, "wrong", invalid, valid=False),
        Case("stranger", "no such command", {**play, "command": "sing"}, "stranger", unknown, valid=False),
        Case("expired", "its time has passed", dial, "expired", expired, expires_in=-1.0),
        Case("repeat", "the same again", dial, original, again, after=first),
        Case("conflict", "the same key, another body", other, original, conflict, after=first),
    )


def _dials(*, kill: bool) -> tuple[Case, ...]:
    dial, other, full = EXAMPLES["dial"][:3]
    busy = {"action": "retry_after", "retry_after": "1"}
    lost = {"action": "reset_after_reading"}
    doubt = Expected(OutcomeName.UNKNOWN, ProblemCode.OUTCOME_UNKNOWN.value, http_status=None)
    killed = Case("killed", "in flight at the kill", dial, "killed", doubt, fault={"action": "hang"}, held=True)
    return (
        Case("dial", "the first call", full, "dial", opens=FIRST_CALL),
        Case(
            "busy",
            "throttled, then taken",
            other,
            "busy",
            Expected(attempts=2, received=2),
            opens=SECOND_CALL,
            fault=busy,
        ),
        Case("original", "the third call", dial, "original", opens=THIRD_CALL),
        Case("lost", "its answer is lost", dial, "lost", doubt, fault=lost),
        *((killed,) if kill else ()),
    )


def _first_call(*, kill: bool) -> tuple[Case, ...]:
    cases = [_example(name, FIRST_CALL) for name in ON_FIRST_CALL]
    cases[0] = replace(cases[0], scene=Scene("answered", _FAXES))
    if kill:
        # Its repeat is refused, because it plays already: that is how it is known to have been done.
        done = Expected(http_status=422, attempts=2, received=2)
        at = ON_FIRST_CALL.index("calling.play")
        label = "in flight at the kill"
        cases[at] = replace(cases[at], label=label, expected=done, fault={"action": "hang"}, held=True)
        cases[-1] = replace(cases[-1], kills=True)
    return tuple(cases)


def _second_call() -> tuple[Case, ...]:
    return tuple(_example(name, SECOND_CALL) for name in ON_SECOND_CALL)


def _cancel() -> Case:
    body = next(each for each in EXAMPLES["update"] if each["params"].get("status") == "canceled")
    return Case("cancel", "cancelled while it rings", body, "cancel", call=THIRD_CALL, scene=Scene("ringing"))


def _ends() -> tuple[Case, ...]:
    refused = Expected(OutcomeName.REJECTED, ProblemCode.REFUSED.value, http_status=422, acted=0)
    play = EXAMPLES["calling.play"][0]
    return (
        _example("calling.end", FIRST_CALL, after=ON_FIRST_CALL),
        Case("gone", "its call is gone", play, "gone", refused, call=FIRST_CALL, after=("calling.end",)),
    )


def _example(command: str, call: str, after: Sequence[str] = ()) -> Case:
    return Case(command, "", EXAMPLES[command][0], command, call=call, after=tuple(after))
