"""What was seen of a campaign, in the words of the promises, and kept as files where a promise was broken."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from aio_pika.exceptions import ChannelNotFoundEntity

from callmq_worker.core.layout import Shards, dial_lanes, layout
from callmq_worker.core.retry import parse_tiers
from chaos.observer import NAMES, connect
from chaos.stage import TIERS, Stage
from chaos.traffic import BATCH, NUMBER, PASSWORD
from journal import Copy, Journal, Receipt, Said, Sent
from promises import breaches
from world import TOKEN

TAP = "tap"
DIAL_LANES = 16
LATER = frozenset({401, 403, 429})
FAILED = 500
# Of what was not carried out, the head of the answer says so, whatever becomes of its body.
HEADED = frozenset({"retry_after", "half_answer", "drip"})


@dataclass
class Evidence:
    """Everything, by script: so that each batch is judged by itself, which the promises allow."""

    sent: list[Sent]
    receipts: list[Receipt]
    replies: list[Said]
    replied: list[float]
    dead: list[tuple[str, Copy]] = field(default_factory=list)
    parked: list[tuple[str, Copy]] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    ledger: dict[str, str] = field(default_factory=dict)
    parted: frozenset[str] = frozenset()

    def journals(self, phase_of: dict[int, str], healthy: str) -> Iterator[Journal]:
        """Yield a journal for every so many scripts, and one for what belongs to none."""
        parts: dict[tuple[str, int], dict[str, Any]] = defaultdict(lambda: defaultdict(list))

        def part(name: str | None) -> dict[str, Any]:
            script = script_of(name)
            phase = phase_of.get(script, "none")
            return parts[phase, script // BATCH]

        named = {sent.intent: sent.name for sent in self.sent}
        for sent in self.sent:
            part(sent.name)["sent"].append(sent)
        for receipt in self.receipts:
            part(named.get(receipt.intent))["receipts"].append(receipt)
        for said in self.replies:
            part(said.to)["replies"].append(said)
        for where in ("dead", "parked"):
            for name, copy in getattr(self, where):
                part(name)[where].append(copy)
        for key, outcome in self.ledger.items():
            part(key).setdefault("ledger", {})[key] = outcome
        for (phase, _), told in parts.items():
            yield Journal(**{**EMPTY, **told}, parted=self.parted, healthy=phase == healthy)
        yield Journal([], [], [], left=self.left)


EMPTY: dict[str, Any] = {"sent": [], "receipts": [], "replies": []}


def script_of(name: str | None) -> int:
    """Return the number of the script in a correlation id or a key; -1 where there is none."""
    found = re.fullmatch(r"s?(\d+)[.-]\d+", name or "")
    return int(found[1]) if found else -1


async def tap(url: str) -> None:
    """Have every copy seen that waits in a tier, or that no lane's queue takes: there a call's order ends."""
    async with await connect(url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(TAP, durable=True, arguments={"x-queue-type": "quorum"})
        for tier in parse_tiers(TIERS):
            await queue.bind(NAMES.retry(tier.name))
        await queue.bind(NAMES.unrouted)


async def gather(stage: Stage) -> Evidence:
    """Take everything; nothing moves any more."""
    entries = list(stage.sandbox.journal.since(0))
    carried = stage.sandbox.carried
    receipts = [_receipt(entry, *carried.get(entry.number, ())) for entry in entries]
    receipts = without_spared(receipts, entries, stage.ledger)
    documents = list(stage.observer.documents())
    replies = [Said(name, document) for _, name, document in documents]
    evidence = Evidence(stage.producer.sent, receipts, replies, [at for at, _, _ in documents])
    connection = await connect(stage.url)
    async with connection:
        evidence.left = await left(connection, stage.shards)
        evidence.dead = [_copy(m, m.routing_key.partition(".")[0]) for m in await taken(connection, NAMES.dead)]
        evidence.parked = [_copy(m, "unknown") for m in await taken(connection, NAMES.unknown)]
        tapped = await taken(connection, TAP)
    evidence.parted = frozenset(str(m.headers.get("idempotency-key")) for m in tapped)
    evidence.ledger, debts = recorded(stage.ledger)
    evidence.left["debts of the ledger"] = debts
    return evidence


def _receipt(entry: Any, body: str | None = None, answer: str | None = None, status: int | None = None) -> Receipt:
    subject = entry.subject
    later = not entry.acted and (entry.fault in HEADED or entry.status in LATER)
    cut = entry.fault in HEADED
    return Receipt(
        subject.key, subject.command or "", entry.time, entry.acted, later, subject.call_id,
        status=status if cut and entry.status is None else entry.status, body=body, answer=answer, cut=cut,
    )  # fmt: skip


def _copy(message: Any, outcome: str) -> tuple[str, Copy]:
    key = message.headers.get("idempotency-key")
    name = message.correlation_id or ""
    return name, Copy(None if key is None else str(key), outcome, message.body, name)


async def left(connection: Any, shards: Shards) -> dict[str, int]:
    """Count what lies in lanes and tiers."""
    counts = {}
    for queue in layout(NAMES, parse_tiers(TIERS), (), shards).queues:
        if queue.name not in (NAMES.dead, NAMES.unknown):
            counts[queue.name] = await _depth(connection, queue.name)
    for queue in dial_lanes(NAMES, "default", DIAL_LANES).queues:
        try:
            counts[queue.name] = await _depth(connection, queue.name)
        except ChannelNotFoundEntity:  # it was never needed
            break
    return counts


async def _depth(connection: Any, name: str) -> int:
    async with connection.channel() as channel:
        found = await channel.declare_queue(name, passive=True)
        return int(found.declaration_result.message_count or 0)


async def taken(connection: Any, name: str) -> list[Any]:
    """Take all messages out of a queue."""
    messages: list[Any] = []
    async with connection.channel() as channel:
        queue = await channel.declare_queue(name, passive=True)
        count = queue.declaration_result.message_count or 0
        if count:
            async with queue.iterator(no_ack=True, timeout=30) as stream:
                async for message in stream:
                    messages.append(message)
                    if len(messages) >= count:
                        break
    return messages


def recorded(ledger: Path) -> tuple[dict[str, str], int]:
    """Return the outcome of each key, and how many replies are still owed."""
    connection = sqlite3.connect(ledger)
    try:
        found = connection.execute("SELECT key, reply FROM records WHERE reply IS NOT NULL").fetchall()
        debts = connection.execute("SELECT count(*) FROM records WHERE due IS NOT NULL").fetchone()[0]
    finally:
        connection.close()
    return {key: orjson.loads(reply)["outcome"] for key, reply in found if " " not in key}, debts


def without_spared(receipts: list[Receipt], entries: list[Any], ledger: Path) -> list[Receipt]:
    """Mark as many failed attempts of a key as its record says that they do not count."""
    connection = sqlite3.connect(ledger)
    try:
        left = dict(connection.execute("SELECT key, spared FROM records WHERE spared > 0").fetchall())
    finally:
        connection.close()
    marked = []
    for receipt, entry in zip(receipts, entries, strict=True):
        failed = entry.status is None or entry.status >= FAILED or entry.fault in HEADED
        spared = failed and not receipt.later and left.get(receipt.key, 0) > 0
        left[receipt.key] = left.get(receipt.key, 0) - spared
        marked.append(replace(receipt, spared=spared))
    return marked


def leaks(stage: Stage, evidence: Evidence, broker_password: str) -> list[str]:
    """Say which output shows a secret."""
    found = []
    number = re.compile(re.escape(NUMBER) + r"\d{7}|" + NUMBER[1:] + r"\d{7}")
    secrets = {"token": TOKEN, "password": PASSWORD, "broker's password": broker_password}
    for worker in stage.workers:
        log = worker.log.read_text(errors="replace")
        found += [
            f"the log of worker {worker.number} shows the {name}" for name, text in secrets.items() if text in log
        ]
        found += [f"the log of worker {worker.number} shows a phone number"] if number.search(log) else []
    for said in evidence.replies:
        text = orjson.dumps(said.document).decode()
        found += [f"the reply to {said.to} shows the {name}" for name, secret in secrets.items() if secret in text]
    return found


def judged(stage: Stage, evidence: Evidence, healthy: str) -> list[str]:
    """Return every breach of every promise."""
    return [b for journal in evidence.journals(stage.producer.phase_of, healthy) for b in breaches(journal)]


def keep(stage: Stage, evidence: Evidence, told: dict[str, Any]) -> None:
    """Write all of it beside the logs and the ledger."""
    for name in ("sent", "receipts"):
        with (stage.folder / f"{name}.jsonl").open("w") as file:
            for row in getattr(evidence, name):
                file.write(json.dumps({n: getattr(row, n) for n in row.__slots__}, default=repr) + "\n")
    with (stage.folder / "replies.jsonl").open("w") as file:
        for at, said in zip(evidence.replied, evidence.replies, strict=True):
            file.write(json.dumps({"at": at, "to": said.to, **said.document}) + "\n")
    with (stage.folder / "journal.jsonl").open("w") as file:
        for entry in stage.sandbox.journal.since(0):
            file.write(json.dumps(entry.as_dict()) + "\n")
    (stage.folder / "campaign.json").write_text(json.dumps(told, indent=1, default=repr))
