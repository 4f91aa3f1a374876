"""Commands in doubt, and a look into the ledger and the queues that keep them."""

from __future__ import annotations

from callmq_contracts.examples import EXAMPLES
from callmq_worker.adapters.sqlite import SqliteLedger
from callmq_worker.core.record import RecordKey
from world import World

DIAL = EXAMPLES["dial"][0]


async def doubtful(w: World, key: str, action: str = "reset_after_reading", **more) -> dict:
    w.sandbox.arm(action, match={"key": key})
    assert (await w.client.send(DIAL, key=key, **more)).ok
    reply = await w.reply(key)
    assert reply["outcome"] == "unknown"
    return reply


async def depth(w: World, name: str = "callmq.unknown") -> int:
    queue = await w.admin.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0


async def record(w: World, key: str):
    ledger = SqliteLedger(w.ledger)
    try:
        return await ledger.look(RecordKey("default", key))
    finally:
        await ledger.close()


async def transact(w: World, key: str, step):
    ledger = SqliteLedger(w.ledger)
    try:
        return await ledger.transact(RecordKey("default", key), step)
    finally:
        await ledger.close()
