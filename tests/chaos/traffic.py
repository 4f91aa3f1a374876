"""What is published: scripts of one command or of one call's commands in order, from a seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from callmq_contracts.catalog import CATALOG
from callmq_contracts.examples import EXAMPLES

PASSWORD = "canary-password-1"
NUMBER = "+1555"  # the first digits of every number of a campaign
ON_CALL = (
    "calling.record", "calling.play.volume", "calling.denoise", "calling.user_event", "calling.ai_sidecar.status",
    "calling.play.pause", "calling.transfer", "calling.record.pause",
)  # fmt: skip
# Of each class, and done as often as they are sent.
REPEATABLE = (
    "calling.ai_sidecar.status", "calling.denoise", "calling.denoise.stop", "calling.ai_hold", "calling.ai_unhold",
    "calling.user_event", "calling.transfer",
)  # fmt: skip
HOUR = 3600.0
BATCH = 400  # so many scripts are judged together


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to publish. ``life``: seconds until it expires, None for the default of its command."""

    body: bytes
    key: str | None
    command: str
    safety: str = "none"
    call_id: str | None = None
    life: float | None = HOUR
    content_type: str = "application/json"
    routing_key: str = ""
    stranger: bool = False
    pause: float = 0.0
    campaign: str | None = None

    @property
    def lifetime(self) -> float:
        if self.life is not None:
            return self.life
        params = orjson.loads(self.body).get("params") or {}
        return CATALOG[self.command].classify(params)[1]


@dataclass(frozen=True, slots=True)
class Script:
    """Letters that go out one after the other, each once the one before was confirmed."""

    number: int
    letters: tuple[Letter, ...]
    call_id: str | None = None


def scripts(seed: int, commands: int) -> Iterator[Script]:
    """Yield scripts until they have so many letters."""
    chance = random.Random(f"traffic {seed}")
    count = number = 0
    while count < commands:
        dice = chance.random()
        make = _call if dice < 0.12 else _bad if dice < 0.16 else _dials
        script = make(chance, number)
        yield script
        count += len(script.letters)
        number += 1


def busy_calls(seed: int, calls: int, commands: int) -> Iterator[Script]:
    """Yield scripts of a few commands on one of so many calls, dials among them, until they have so many letters.

    All scripts of a call are judged together: their numbers are of one batch. Raises `ValueError` where it is full.
    """
    chance = random.Random(f"calls {seed}")
    ids = [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(calls)]
    begun, dials, count = [0] * calls, calls * BATCH, 0
    while count < commands:
        if chance.random() < 0.1:
            script = Script(dials, (_dial(dials, f"s{dials}-0"),))
            dials += 1
        else:
            call = chance.randrange(calls)
            script = _on_call(chance, call * BATCH + begun[call], ids[call])
            begun[call] += 1
            if begun[call] == BATCH:
                raise ValueError(f"more than {BATCH} scripts of one call")
        yield script
        count += len(script.letters)


def _on_call(chance: random.Random, number: int, call_id: str) -> Script:
    bodies = [{**EXAMPLES[chance.choice(REPEATABLE)][0], "id": call_id} for _ in range(chance.randint(1, 5))]
    return Script(number, tuple(_letter(body, f"s{number}-{at}", call_id) for at, body in enumerate(bodies)), call_id)


def poisoned(number: int) -> Script:
    """Return one command that is sent again when its worker died: on a call of its own."""
    call_id = str(uuid.UUID(int=number, version=4))
    return Script(
        number, (_letter({**EXAMPLES["calling.denoise"][0], "id": call_id}, f"s{number}-0", call_id),), call_id
    )


def _dials(chance: random.Random, number: int) -> Script:
    letter = _dial(number, f"s{number}-0")
    if chance.random() < 0.25:  # it waits in a queue of its campaign
        letter = replace(letter, campaign=chance.choice(("spring", "summer", "autumn")))
    if chance.random() < 0.03:
        letter = replace(letter, life=chance.choice((1.0, 3.0, 8.0)))
    letters = [letter]
    while chance.random() < 0.08:
        letters.append(replace(letter, pause=chance.choice((0.0, 0.0, 0.2, 3.0))))
    if chance.random() < 0.01:
        letters.append(replace(_dial(number, letter.key, timeout=17), campaign=letter.campaign))
    return Script(number, tuple(letters))


def _dial(number: int, key: str | None, **more: Any) -> Letter:
    body = EXAMPLES["dial"][0]
    params = {**body["params"], "to": f"{NUMBER}{number:07}", "password": PASSWORD, **more}
    return _letter({**body, "params": params}, key)


def _call(chance: random.Random, number: int) -> Script:
    """Say what happens on one live call: a play first, which volume and pause are about, and often its end."""
    call_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    names = ["calling.play", *(chance.choice(ON_CALL) for _ in range(chance.randint(1, 7)))]
    names += ["calling.end"] if chance.random() < 0.5 else []
    letters = []
    for at, name in enumerate(names):
        body = {**EXAMPLES[name][0], "id": call_id}
        letter = _letter(body, f"s{number}-{at}", call_id)
        if letter.safety in ("safe", "convergent") and chance.random() < 0.1:
            letter = replace(letter, key=None)
        if chance.random() < 0.05:
            letter = replace(letter, life=None)
        letters += [letter] * (2 if letter.key and chance.random() < 0.05 else 1)
    return Script(number, tuple(letters), call_id)


def _letter(body: dict[str, Any], key: str | None, call_id: str | None = None) -> Letter:
    name = body["command"]
    safety = str(CATALOG[name].classify(body.get("params") or {})[0])
    return Letter(orjson.dumps(body), key, name, safety, call_id, routing_key=name)


def _bad(chance: random.Random, number: int) -> Script:
    """Say what a broken producer publishes; each gets a reply and a place among the dead."""
    good = replace(_dial(number, f"s{number}-0"), stranger=True, safety="none")
    ways = (
        replace(good, body=b'{"command": "dial", "params": {'),
        replace(good, body=b'{"command": "dial", "params": {"from": 17}}'),
        replace(good, body=b"\xff\xfe\x00"),
        replace(good, body=b'{"command": "calling.fly"}', command="calling.fly", routing_key="calling.fly"),
        replace(good, content_type="text/plain"),
        replace(good, key=None),
        replace(good, routing_key="nobody.takes.this"),
        replace(good, body=b'{"command": "dial", "params": ' + b"[" * 5000),
    )
    return Script(number, (chance.choice(ways),))
