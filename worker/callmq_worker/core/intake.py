"""From bytes and properties to a command that may be weighed, or to the reason why not."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson

from callmq_contracts.codec import decode
from callmq_contracts.command import Command, Rejected, Safety
from callmq_contracts.envelope import Envelope, Properties, read_envelope
from callmq_contracts.extra import NO_EXTRA, ExtraCommands
from callmq_contracts.problem import Problem, ProblemCode
from callmq_worker.core.denial import Restrictions, capped, denial
from callmq_worker.core.seal import believed

Decode = Callable[..., Command | Rejected]


@dataclass(frozen=True, slots=True)
class Rules:
    """What this worker accepts.

    ``longest_life`` in seconds: a command may not outlive the record that keeps it from happening twice.
    ``restrictions`` of those accounts that have any.
    """

    accounts: frozenset[str]
    leniencies: frozenset[str]
    extra: ExtraCommands = field(default_factory=lambda: NO_EXTRA)
    longest_life: float = math.inf
    restrictions: Mapping[str, Restrictions] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A command with its envelope. Times in seconds since the epoch, ``ceiling`` in dollars a minute.

    The command stays as its producer published it, and so does its fingerprint; only `wire` keeps to the ceiling.
    """

    command: Command
    envelope: Envelope
    received_at: float
    expires_at: float
    ceiling: float | None = None

    def wire(self) -> bytes:
        """Return the JSON bytes to send."""
        return self.command.wire() if self.ceiling is None else orjson.dumps(capped(self.command, self.ceiling))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that will never be a command: the problem, and what could be read. ``digest`` names the message."""

    rejected: Rejected
    envelope: Envelope
    received_at: float
    digest: str


def read(
    body: bytes,
    properties: Properties,
    received_at: float,
    rules: Rules,
    *,
    secret: bytes,
    broker_expired: bool = False,
) -> Accepted | Refusal:
    """Judge one message by its contract: first what surrounds the body, then the body, then both together.

    ``broker_expired``: the broker took it out of its lane because its time was over. ``secret``: what the seal of a
    waiting copy is made with.
    """
    envelope, problem = read_envelope(properties)
    envelope = believed(envelope, properties, body, secret)
    first_received = envelope.first_received_at if envelope.first_received_at is not None else received_at

    def refuse(rejected: Rejected) -> Refusal:
        return Refusal(rejected, envelope, first_received, digest(body, properties))

    if problem is not None and problem.code is ProblemCode.WRONG_CONTENT_TYPE:
        return refuse(Rejected(problem))
    decoded = decode(body, key=envelope.key, leniencies=rules.leniencies, extra=rules.extra)
    if problem is not None:
        name = decoded.name if isinstance(decoded, Command) else decoded.command
        return refuse(Rejected(problem, name, decoded.call_id))
    if isinstance(decoded, Rejected):
        return refuse(decoded)
    problem, ceiling = _disagreement(decoded, envelope, rules), None
    restrictions = rules.restrictions.get(envelope.account)
    if restrictions is not None:
        problem = problem or denial(restrictions, envelope.user_id, decoded)
        ceiling = restrictions.max_price_per_minute
    if problem is not None:
        return refuse(Rejected(problem, decoded.name, decoded.call_id))
    latest = envelope.begins(first_received) + rules.longest_life
    expires_at = min(envelope.deadline(first_received, decoded.lifetime), latest)
    expires_at = min(expires_at, received_at) if broker_expired else expires_at
    return Accepted(decoded, envelope, first_received, expires_at, ceiling)


def _disagreement(command: Command, envelope: Envelope, rules: Rules) -> Problem | None:
    if envelope.key is None and command.safety in (Safety.UNSAFE, Safety.GUARDED):
        detail = f"'{command.name}' could act twice: it needs the header 'idempotency-key'."
        return Problem(ProblemCode.MISSING_IDEMPOTENCY_KEY, detail)
    if envelope.routing_key != command.name:
        detail = f"The routing key must be the body's command, '{command.name}'."
        return Problem(ProblemCode.ROUTING_KEY_MISMATCH, detail)
    if envelope.call_id is not None and envelope.call_id != command.call_id:
        return Problem(ProblemCode.CALL_ID_MISMATCH, "The header 'call-id' must be the body's call id.")
    if envelope.account not in rules.accounts:
        detail = "The header 'account' names an account that this worker does not have."
        return Problem(ProblemCode.UNKNOWN_ACCOUNT, detail)
    return None


def digest(body: bytes, properties: Properties) -> str:
    """Return a name of this very message: body, routing key and correlation id."""
    h = hashlib.sha256(body)
    h.update(f"\x1f{properties.routing_key}\x1f{properties.correlation_id}\x1f{properties.message_id}".encode())
    return h.hexdigest()
