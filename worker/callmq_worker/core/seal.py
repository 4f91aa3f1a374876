"""The seal on a waiting copy: what the worker counted for itself is believed only if it wrote it."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from callmq_contracts import envelope as wire
from callmq_contracts.envelope import Envelope, Properties

SEAL: Final = "callmq-seal"
_SEALED: Final = (wire.RECEIVED_AT, wire.NOT_BEFORE, wire.ATTEMPTS, wire.DOUBT, wire.EXPIRES_AT, wire.IDEMPOTENCY_KEY)


def seal(headers: Mapping[str, Any], routing_key: str, body: bytes, secret: bytes) -> str:
    """Return the HMAC over the worker's own headers and over the message that they belong to."""
    own = [headers.get(name) for name in _SEALED]
    if wire.USER_ID in headers:
        own.append(headers[wire.USER_ID])
    said = repr(own)
    sealed = f"{routing_key}\x1f{said}\x1f{hashlib.sha256(body).hexdigest()}"
    return hmac.new(secret, sealed.encode("utf-8", "backslashreplace"), hashlib.sha256).hexdigest()


def believed(envelope: Envelope, properties: Properties, body: bytes, secret: bytes) -> Envelope:
    """Return the envelope as its headers say where its seal is whole, and without the worker's own where it is not.

    A copy that waited was published by a worker: who published the command stands in its headers.
    """
    given = properties.headers.get(SEAL)
    if isinstance(given, str) and given.isascii():
        expected = seal(properties.headers, properties.routing_key, body, secret)
        if hmac.compare_digest(given, expected):
            user_id = properties.headers.get(wire.USER_ID)
            return envelope._replace(user_id=user_id if isinstance(user_id, str) else None)
    return envelope._replace(first_received_at=None, not_before=None, attempts=0, doubt=False)
