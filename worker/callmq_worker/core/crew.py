"""Which worker should have which shard of the control lanes: an agreement of all workers, kept as a note.

No promise depends on it. The broker hands a shard to one worker at a time, and this only says to whom it should.
"""

from collections.abc import Collection, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import orjson

NOTE: Final = "crew"
LOST: Final = 10.0  # seconds after which a worker that says nothing is none


class Member(NamedTuple):
    """A worker: when it last spoke, on the ledger's clock, and its openings: a number for each shard it has open."""

    seen: float
    openings: Mapping[str, int]


Crew = Mapping[str, Member]


def read(text: bytes | None) -> dict[str, Member]:
    """Return what a note says, by worker."""
    return {} if text is None else {owner: Member(*said) for owner, said in orjson.loads(text).items()}


class Presence:
    """The change that says that a worker is there, for `note.amend`."""

    def __init__(self, owner: str, openings: Mapping[str, int]) -> None:
        self._owner = owner
        self._openings = dict(openings)

    def __call__(self, text: bytes | None, now: float) -> tuple[bytes, Crew]:
        """Return the note's next text, and who is there."""
        crew = {owner: member for owner, member in read(text).items() if now - member.seen < LOST}
        crew[self._owner] = Member(now, self._openings)
        return orjson.dumps({owner: list(member) for owner, member in crew.items()}), crew


def assigned(opened: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Return the worker of each shard, among those that have it open; ``opened``: the shards of each worker.

    Where all have the same open, none has two more than another. Few move when a worker comes or goes.
    """
    shards = sorted({shard for own in opened.values() for shard in own})
    owners = sorted(owner for owner, own in opened.items() if own)
    least, more = divmod(len(shards), max(1, len(owners)))
    load = dict.fromkeys(owners, 0)
    found: dict[str, str] = {}
    for shard in shards:
        able = [owner for owner in owners if shard in opened[owner]]
        free = [owner for owner in able if load[owner] < least + (more > 0)] or _least_loaded(able, load)
        found[shard] = max(free, key=lambda owner: _weight(owner, shard))
        more -= load[found[shard]] == least
        load[found[shard]] += 1
    return found


def _least_loaded(owners: Sequence[str], load: Mapping[str, int]) -> list[str]:
    least = min(load[owner] for owner in owners)
    return [owner for owner in owners if load[owner] == least]


def _weight(owner: str, shard: str) -> bytes:
    return blake2b(f"{owner}\0{shard}".encode(), digest_size=8).digest()


class KnownShards:
    """The change that keeps how many shards there ever were, for `note.amend`: fewer may be used now."""

    NOTE: Final = "shards"

    def __init__(self, used: int) -> None:
        self._used = used

    def __call__(self, text: bytes | None, _now: float) -> tuple[bytes | None, int]:
        """Return the note's next text, and the number; a single lane is no shard and writes nothing."""
        known = max(self._used, self.count(text))
        return (b"%d" % known if self._used > 1 else None), known

    @staticmethod
    def count(text: bytes | None) -> int:
        """Return the number that a note keeps."""
        return int(text) if text else 1
