"""Notes among the records: one word for all workers, in nobody's way."""

from __future__ import annotations

from callmq_worker.adapters.memory import MemoryLedger
from callmq_worker.core.note import amend, content, note_key


async def test_a_note_is_read_and_changed_in_one_step() -> None:
    ledger, key = MemoryLedger(), note_key("paces", "default")

    def longer(said: bytes | None, _now: float) -> tuple[bytes, int]:
        return (said or b"") + b"x", len(said or b"")

    assert content(await ledger.look(key)) is None
    assert [await ledger.transact(key, amend(key, longer)) for _ in range(3)] == [0, 1, 2]
    assert content(await ledger.look(key)) == b"xxx"


async def test_an_unchanged_note_is_not_written() -> None:
    ledger, key = MemoryLedger(), note_key("controls")
    assert await ledger.transact(key, amend(key, lambda said, now: (None, (said, now > 0)))) == (None, True)
    assert await ledger.look(key) is None


async def test_a_note_is_neither_unknown_nor_owed() -> None:
    ledger, key = MemoryLedger(), note_key("controls")
    await ledger.transact(key, amend(key, lambda _said, _now: (b"{}", None)))
    assert not await ledger.unknowns(10)
    assert not await ledger.owed(10)
