"""Commands for accounts that are restricted, and what restricts one."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import strategies as st

from callmq_contracts.codec import decode
from callmq_contracts.command import Command
from callmq_contracts.extra import parse_extra_commands
from callmq_worker.core.denial import Restrictions
from callmq_worker.core.hosts import parse_hosts
from callmq_worker.core.reach import Numbers
from commands import CALL_ID

EXTRA = parse_extra_commands("calling.new_thing=30s")
STRICT = Restrictions(
    numbers=Numbers(frozenset({"+1"}), frozenset({"+1900"})),
    from_numbers=frozenset({"+15550100", "sip:desk@sip.example.com"}),
    sip_hosts=parse_hosts(["sip.example.com"]),
    url_hosts=parse_hosts(["example.com"]),
)
FRAUD, EVIL = "+19005550200", "https://evil.example/x"
GOOD_DIAL = {"from": "+15550100", "to": "+15550101", "url": "https://example.com/answer"}


def command(body: dict[str, Any]) -> Command:
    found = decode(orjson.dumps(body), key="k", extra=EXTRA)
    assert isinstance(found, Command), found
    return found


def on_call(name: str, **params: Any) -> dict[str, Any]:
    return {"command": name, "id": CALL_ID, "params": params}


def dial(**params: Any) -> dict[str, Any]:
    return {"command": "dial", "params": {**GOOD_DIAL, **params}}


def swml(*steps: dict[str, Any]) -> dict[str, Any]:
    given = {k: v for k, v in GOOD_DIAL.items() if k != "url"}
    return {"command": "dial", "params": {**given, "swml": {"sections": {"main": list(steps)}}}}


texts = st.sampled_from([FRAUD, EVIL, "", "a", "${x}", "sip:a@b", "+15550101"]) | st.text(max_size=12)
trees = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | texts,
    lambda s: st.lists(s, max_size=3) | st.dictionaries(st.sampled_from(["to", "from", "url", "play"]) | texts, s),
    max_leaves=12,
)
