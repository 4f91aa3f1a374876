"""The records of a Redis ledger: names, the form of a record, and the scripts that change many at once.

A record is one string: the revision, which is another after each write, and JSON. Three sorted sets, by the time of the
last change, list the names of those with a debt, of the unknown ones, and of those that may be purged.
"""

from typing import Final
from urllib.parse import quote

import orjson

from callmq_worker.core.record import Record, RecordKey, State

VERSION: Final = 1
META: Final = "callmq:ledger"
OWED: Final = "callmq:owed"
UNKNOWN: Final = "callmq:unknown"
DONE: Final = "callmq:done"
LISTS: Final = (OWED, UNKNOWN, DONE)
REVISION_BYTES: Final = 8

# Each is told the secret, so that a server that was emptied or replaced is not taken for the ledger; "" is its answer.
_OURS: Final = "if redis.call('HGET', KEYS[1], 'secret') ~= ARGV[1] then return '' end\n"
# Returns the server's time and each record.
READ: Final = (
    _OURS
    + """
local time = redis.call('TIME')
local found = {}
for i = 2, #KEYS do found[i - 1] = redis.call('GET', KEYS[i]) end
return {time[1], time[2], found}
"""
)
# For each record five words: the revision that it was seen with (none: it was not there), its new form, the time of
# its change, the lists that it is in now and those that it is in no more. Returns the places of those that differ.
WRITE: Final = (
    _OURS
    + """
local lost = {}
for i = 5, #KEYS do
  local at = (i - 5) * 5 + 1
  if redis.call('GETRANGE', KEYS[i], 0, 7) == ARGV[at + 1] then
    redis.call('SET', KEYS[i], ARGV[at + 2])
    for list in string.gmatch(ARGV[at + 4], '%d') do redis.call('ZADD', KEYS[tonumber(list)], ARGV[at + 3], KEYS[i]) end
    for list in string.gmatch(ARGV[at + 5], '%d') do redis.call('ZREM', KEYS[tonumber(list)], KEYS[i]) end
  else
    lost[#lost + 1] = i - 5
  end
end
return lost
"""
)
# The names of records are what a list holds, so this ledger is for one server and not for a cluster of them.
LIST: Final = (
    _OURS
    + """
local found = {}
for i, key in ipairs(redis.call('ZRANGE', KEYS[2], 0, tonumber(ARGV[2]) - 1)) do found[i] = redis.call('GET', key) end
return found
"""
)
PURGE: Final = (
    _OURS
    + """
local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, key in ipairs(gone) do
  redis.call('DEL', key)
  redis.call('ZREM', KEYS[2], key)
end
return #gone
"""
)
# The secret of whoever comes first is everybody's.
PREPARE: Final = """
redis.call('HSETNX', KEYS[1], 'secret', ARGV[2])
if tonumber(redis.call('HGET', KEYS[1], 'version') or 0) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'version', ARGV[1])
end
return redis.call('HGET', KEYS[1], 'secret')
"""
_STATE: Final = 4
_FINGERPRINT: Final = 2
_REPLY: Final = 13
_DUE: Final = 14
_STATES: Final = {state.value: state for state in State}


def name(key: RecordKey) -> str:
    """Return the name under which a record is kept."""
    return f"callmq:record:{quote(key.account, safe='')}:{key.key}"


def pack(r: Record, revision: bytes) -> bytes:
    """Return a record's form. Raises `TypeError` or `UnicodeError` for what has none."""
    if r.reply is None and r.state in (State.CLOSED, State.UNKNOWN):
        raise TypeError("an outcome has a reply")
    values = (
        *(r.account, r.key, _text(r.fingerprint), r.command, r.state.value, r.received_at, r.updated_at),
        *(r.attempt, r.spared, r.owner, r.lease_until, r.doubt, r.sequence, _text(r.reply), _text(r.due)),
    )
    return revision + orjson.dumps(values)


def unpack(form: bytes) -> tuple[bytes, Record]:
    """Return a record and its revision. Raises `ValueError` for what `pack` did not make."""
    values = orjson.loads(form[REVISION_BYTES:])
    values[_STATE] = _STATES[values[_STATE]]
    for place in (_FINGERPRINT, _REPLY, _DUE):
        if values[place] is not None:
            values[place] = values[place].encode("latin-1")
    return form[:REVISION_BYTES], Record(*values)


def lists(record: Record | None) -> frozenset[int]:
    """Return the lists that a record is in: their places among the keys of `WRITE`."""
    if record is None:
        return frozenset()
    found = {2} if record.due is not None else set[int]()
    if record.state is State.UNKNOWN:
        found.add(3)
    if record.state is State.CLOSED and record.due is None:
        found.add(4)
    return frozenset(found)


def words(places: frozenset[int]) -> str:
    """Return places as the script reads them."""
    return "".join(map(str, sorted(places)))


def _text(data: bytes | None) -> str | None:
    """Return bytes as text of as many letters: most of them are JSON, and stay readable."""
    return None if data is None else data.decode("latin-1")
