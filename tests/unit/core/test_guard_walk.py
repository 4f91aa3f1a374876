"""Random lives of one key: many workers, lost leases, late answers. What is promised holds after each step."""

from __future__ import annotations

import random
from typing import Any

import pytest

from callmq_contracts.command import Safety
from callmq_worker.core import guard
from callmq_worker.core.record import Claim, Intent, Record, Spent, State, Step, Stored
from intents import LEASE, START, conclusion, intent, reply

LIVES = 1500
STEPS = 40
BODIES = (b"f" * 32, b"another")
OUTCOMES = ("succeeded", "rejected", "failed", "unknown")


class Life:
    """Workers act on one record; what truly happened to each attempt is kept beside it. ``story`` is for a failure."""

    def __init__(self, chance: random.Random, safety: Safety) -> None:
        self.chance = chance
        self.safety = safety
        self.now = START
        self.record: Record | None = None
        self.story: list[Any] = []
        self.claims: list[tuple[Intent, Claim]] = []  # believed in by some worker, whatever the ledger thinks
        self.ends: list[tuple[Intent, Spent]] = []  # to be recorded without an attempt
        self.claimed: set[int] = set()
        self.sent: set[int] = set()  # attempts of which a byte may have left
        self.undone: set[int] = set()  # those of them that certainly were not carried out
        self.reopened_after = 0  # attempts up to here were sent before a person ordered another one
        self.final: bytes | None = None

    def live(self) -> None:
        acts = (self.weigh, self.weigh, self.pass_time, self.leave, self.leave, self.release, self.answer, self.end)
        rare = (self.resolve, self.reopen, self.owe, self.pay)
        for _ in range(STEPS):
            before = self.record
            act = self.chance.choice(rare if self.chance.random() < 0.1 else acts)
            self.story.append(act.__name__)
            act()
            self.check(before)

    def run(self, step: Step[Any]) -> Any:
        after, verdict = step(self.record, self.now)
        self.record = self.record if after is None else after
        self.story.append((self.now - START, verdict))
        return verdict

    def pass_time(self) -> None:
        self.now += self.chance.choice((0.5, LEASE - 1, LEASE, LEASE, 300))

    def weigh(self) -> None:
        wish = intent(
            fingerprint=self.chance.choices(BODIES, (9, 1))[0],
            safety=self.safety,
            owner=f"worker-{self.chance.randrange(3)}",
            expires_at=START + self.chance.choice((100, 600, 10_000)),
            max_attempts=4,
        )
        before = self.record
        found = self.run(guard.claim(wish))
        if isinstance(found, Claim):
            assert found.attempt not in self.claimed, "an attempt was given twice"
            assert self.final is None, "what is closed was claimed"
            assert before is None or before.fingerprint == wish.fingerprint, "another body was let in"
            sending = before is not None and before.state is State.SENDING
            assert not (sending and self.safety is Safety.UNSAFE), "an unsafe command was claimed while being sent"
            self.claimed.add(found.attempt)
            self.claims.append((wish, found))
        elif isinstance(found, Spent):
            self.ends.append((wish, found))

    def leave(self) -> None:
        if not self.claims:
            return
        wish, held = self.chance.choice(self.claims)
        if not self.run(guard.mark_sending(held, LEASE, wish.expires_at)):
            return
        assert self.now < wish.expires_at, "it left after its time"
        others = {n for n in self.sent - self.undone if n > self.reopened_after} - {held.attempt}
        assert not (others and self.safety is Safety.UNSAFE), "an unsafe command left twice"
        assert not others or held.doubt, "it leaves again and its doubt is forgotten"
        self.sent.add(held.attempt)

    def release(self) -> None:
        if not self.claims:
            return
        _, held = self.claims.pop(self.chance.randrange(len(self.claims)))
        doubt = self.safety is not Safety.UNSAFE and self.chance.random() < 0.5  # unsafe in doubt is never released
        if self.run(guard.release(held, doubt=doubt, spare=self.chance.random() < 0.5)) and not doubt:
            self.undone.add(held.attempt)

    def answer(self) -> None:
        if not self.claims:
            return
        wish, held = self.claims.pop(self.chance.randrange(len(self.claims)))
        self.conclude(wish, held.attempt, self.chance.choice(OUTCOMES))

    def end(self) -> None:
        if not self.ends:
            return
        wish, spent = self.ends.pop(self.chance.randrange(len(self.ends)))
        outcome = "unknown" if spent.doubt else "expired" if spent.expired else "failed"
        if self.conclude(wish, spent.attempt, outcome) and outcome != "unknown":
            assert self.sent <= self.undone, "it may have been done, and is said not to have been"

    def conclude(self, wish: Intent, attempt: int, outcome: str) -> bool:
        before = self.record
        step = guard.conclude(conclusion(wish, attempt, outcome, unknown=outcome == "unknown"))
        found = self.run(step)
        if not isinstance(found, Stored):
            assert self.record == before, "a fenced worker wrote"
            return False
        assert self.record.fingerprint == wish.fingerprint, "another body got this outcome"
        assert before is None or self.record == before or before.attempt == attempt, "an overtaken worker wrote"
        if outcome != "unknown" and before is not None and before.attempt == attempt:
            assert not found.unknown, "a definite answer was not accepted"
        self.publish(found)
        return self.record != before

    def resolve(self) -> None:
        found = self.run(guard.resolve(lambda _record, sequence: reply("resolved", sequence), b"to"))
        if found is not None:
            self.publish(found)

    def reopen(self) -> None:
        if self.run(guard.reopen()):
            self.reopened_after = self.record.attempt

    def owe(self) -> None:
        if self.record is not None and self.record.reply is not None:
            self.run(guard.owe(b"to"))

    def pay(self) -> None:
        if self.record is not None and self.record.reply is not None:
            self.run(guard.paid(self.record.reply, b"to"))

    def publish(self, found: Stored) -> None:
        assert found.reply == self.record.reply
        if not found.unknown:
            assert self.final in (None, found.reply), "two different final outcomes"
            self.final = found.reply

    def check(self, before: Record | None) -> None:
        """Hold what is true of every record, and of every change of one."""
        r = self.record
        assert r is not None or before is None
        if r is None:
            return
        if before is not None:
            assert r.attempt >= before.attempt, "attempts went back"
            assert r.sequence >= before.sequence
            assert (r.received_at, r.fingerprint) == (before.received_at, before.fingerprint)
        assert self.final is None or (r.state is State.CLOSED and r.reply == self.final), "what was closed changed"
        assert (r.owner is not None) is (r.state in (State.HELD, State.SENDING))
        assert (r.reply is None) is (r.sequence == 0)
        assert r.reply is not None or r.state not in (State.CLOSED, State.UNKNOWN)
        assert 0 <= r.spared <= r.attempt
        assert r.doubt or r.state is not State.UNKNOWN


@pytest.mark.parametrize("safety", Safety)
def test_no_life_breaks_a_promise(safety: Safety):
    ended = 0
    for seed in range(LIVES):
        life = Life(random.Random(seed), safety)
        try:
            life.live()
        except AssertionError as broken:
            pytest.fail(f"life {seed}: {broken}\n" + "\n".join(map(str, life.story)))
        ended += life.final is not None
    assert ended > LIVES // 2  # or the lives were too tame to tell
