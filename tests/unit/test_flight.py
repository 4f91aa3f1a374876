"""Deliveries in flight: who waits for whom, also while lanes are shut and opened under them."""

from __future__ import annotations

import asyncio

from callmq_worker.core.outcome import Answered
from commands import NAMED, properties
from flights import Story


async def settle_down() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_followers_stay_behind_one_in_flight_when_lanes_are_shut_and_opened_at_once():
    story, answered, sent = Story(), asyncio.Event(), []

    async def dispatch(request, leave):
        assert await leave()
        sent.append(request.key)
        await answered.wait()
        return Answered(200, {})

    story.hand.dispatcher.dispatch = dispatch
    body, flight = NAMED["guarded"], story.hand.flight
    for key in ("first", "second", "third"):
        flight.take(story.delivery(body, properties(body["command"], key), lane="control"), ordered=True)
    await settle_down()
    assert sent == ["first"]
    flight.recall()
    flight.resume()  # a session was lost; its channels are not closed yet
    await settle_down()
    assert sent == ["first"]
    answered.set()
    await settle_down()
    assert (sent, len(flight)) == (["first"], 0)
