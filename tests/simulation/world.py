"""One simulated world: a clock, a broker, an endpoint, a ledger, hosts with workers, and its journal for the judges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from callmq_worker.adapters.memory import MemoryStore
from callmq_worker.controls import PATIENCE
from callmq_worker.core import controls
from callmq_worker.core.controls import NOTE, Target
from callmq_worker.core.intake import Accepted
from callmq_worker.core.layout import SINGLE, Shards, shard_lanes
from callmq_worker.core.note import amend
from callmq_worker.core.record import Claim, Stored
from callmq_worker.ports import Request
from commands import SECRET, judged, properties
from flights import NAMES, waiting
from intents import START
from journal import Copy, Journal, Receipt, Said, Sent
from simulation.fate import Fate
from simulation.host import Host
from simulation.loop import EndlessError, Loop
from simulation.post import Channel, Letter, Post

MOST_PAYMENTS = 9
Note = tuple[float, str, str, object]


class World:
    """Made, run once by `live`, and judged by its `journal`. ``story``: all that happened, in order."""

    def __init__(self, fate: Callable[[World], Fate], **numbers: Any) -> None:
        self.loop = Loop(self._choose)
        self.fate = fate(self)
        self.numbers = {"lease": 4.0, "http_deadline": 2.0, "max_attempts": 8, **numbers}
        self.store = MemoryStore(secret=SECRET)
        self.post = Post(self.loop, self._choose, self.now)
        self.post.receipt = self._receipt
        self.hosts: list[Host] = []
        self.sent: list[Sent] = []
        self.receipts: list[Receipt] = []
        self.reopened: Counter[str] = Counter()
        self.cancelled: dict[str, float] = {}
        self.story: list[Note] = []
        self.over = self.healthy = False
        self.disturbed = 0
        self.shards = SINGLE

    def _choose(self, count: int) -> int:
        return self.fate.schedule(count)

    def now(self) -> float:
        return START + self.loop.time()

    def note(self, who: str, word: str, detail: object = "") -> None:
        self.story.append((self.loop.time(), who, word, detail))

    def host(self, name: str, *, whole: bool) -> Host:
        return self.host_of(Host(self, name, whole=whole))

    def host_of(self, host: Host) -> Host:
        self.hosts.append(host)
        host.start()
        return host

    @property
    def workers(self) -> list[Host]:
        return [host for host in self.hosts if host.name.startswith("worker")]

    def restart(self, host: Host, seconds: float) -> None:
        if not self.over:
            self.loop.call_later(seconds, host.start, context=self.loop.world.context)

    def shard(self, count: int) -> None:
        """Spread the commands on calls over so many shards."""
        self.shards = Shards(count, count)
        self.post.shards = shard_lanes(NAMES, "default", self.shards)

    def _receipt(self, channel: Channel, letter: Letter) -> Any:
        host = next(h for h in self.hosts if h.process is channel.process)
        return host.receipt(channel, letter)

    def publish(self, body: dict[str, Any], key: str | None, **changes: Any) -> None:
        """Publish a command as a good client does, and note it."""
        name = f"m{len(self.sent) + 1}"
        told = {"timestamp": self.now(), **changes, "correlation_id": name, "message_id": name}
        given = properties(body["command"], key, **told)
        data = orjson.dumps(body)
        read = judged(data, given, self.now())
        assert isinstance(read, Accepted), read
        command = read.command
        self.sent.append(Sent(name, key, command.name, data, command.safety, read.expires_at, command.call_id))
        self.note("producer", "publishes", f"{name}: {command.name} as {key}")
        self.post.arrive(Letter(data, given))

    def cancel(self, target: Target) -> None:
        """Cancel a key or a call, as an operator does."""
        step = amend(NOTE, controls.cancel(target, 3600.0))
        record, _ = step(self.store.records.get(NOTE), self.now())
        assert record is not None
        self.store.records[NOTE] = record
        self.cancelled.setdefault(target.name, self.now() + PATIENCE + 0.5)
        self.note("operator", "cancels", f"{target.scope} {target.name}")

    def spare(self, key: str, since: float) -> None:
        """Note that the attempt of a command that began then does not count."""
        for number, receipt in enumerate(self.receipts):
            if receipt.key == key and receipt.at >= since:
                self.receipts[number] = replace(receipt, spared=True)

    def named(self, request: Request) -> tuple[str, str | None]:
        """Return command and call of a request."""
        body = orjson.loads(request.body)
        return body["command"], body.get("id")

    @property
    def rests(self) -> bool:
        """Whether nothing is left to do but to keep house."""
        return not any(self.post.left.values()) and not any(r.due for r in self.store.records.values())

    def live(self, *, over: Callable[[], bool] = lambda: False, until: float = 100_000.0) -> Journal:
        """Run to the end, and return what was seen."""
        try:
            self.loop.run(over, until)
            for _ in range(MOST_PAYMENTS):
                if self.rests:
                    break
                self.hosts[-1].pay()
                self.loop.run(over, until)
        except EndlessError as error:
            self.note("world", "never ends", error)
        self.over = True
        journal = self.journal()
        self.loop.sweep()
        return journal

    def journal(self) -> Journal:
        taken = self.post.taken
        says = [Said(p.correlation_id, orjson.loads(p.body)) for p in taken if p.exchange == NAMES.replies]
        dead = [_copy(p.body, p.headers, p.correlation_id) for p in taken if p.exchange == NAMES.dead]
        parked = [
            _copy(letter.body, letter.properties.headers, letter.properties.correlation_id)
            for letter in self.post.parked
        ]
        parted = frozenset(str(p.headers.get("idempotency-key")) for p in taken if waiting(p))
        left = {**self.post.left, "debts": sum(r.due is not None for r in self.store.records.values())}
        left["faults of the loop"] = len(self.loop.faults)
        replies = {r.key: r.reply for r in self.store.records.values() if r.reply and " " not in r.key}
        ledger = {key: orjson.loads(reply)["outcome"] for key, reply in replies.items()}
        return Journal(
            self.sent, self.receipts, says, dead, parked, left, ledger, self.reopened, parted,
            healthy=self.healthy, max_attempts=self.numbers["max_attempts"], cancelled=self.cancelled,
        )  # fmt: skip

    def tell(self) -> str:
        """Return the story, one line a step."""
        return "\n".join(f"{at:10.3f} s  {who:<12} {word:<16} {_said(detail)}" for at, who, word, detail in self.story)


def _said(detail: object) -> str:
    match detail:
        case Stored(reply):
            told = orjson.loads(reply)
            return f"{told['outcome']} after {told['attempts']} attempts{', recorded now' if detail.fresh else ''}"
        case Claim():
            return f"claim {detail.attempt}, {detail.used} used{', in doubt' if detail.doubt else ''}"
        case bool():
            return "yes" if detail else "no"
        case _:
            return str(detail)


def _copy(body: bytes, headers: Any, name: str | None) -> Copy:
    return Copy(headers.get("idempotency-key"), str(headers["callmq-outcome"]), body, name)
