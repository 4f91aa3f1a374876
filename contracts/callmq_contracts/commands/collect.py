"""Commands that take input: keys and speech."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ConfigDict

from callmq_contracts.commands.control import ControlParams
from callmq_contracts.faults import Fault
from callmq_contracts.formats import ControlId, Positive, PositiveWhole, Tones, WebUrl
from callmq_contracts.problem import FieldCode
from callmq_contracts.shapes import Closed, Items, Maybe, OnCall, Ruled, absent, at_least_one


class CollectDigits(Closed):
    """Keys to take."""

    max: PositiveWhole
    """At most so many."""
    terminators: Maybe[Tones] = None
    """Keys that end the input; empty is none."""
    digit_timeout: Maybe[Positive] = None
    """Seconds between two keys."""


class CollectSpeech(Closed):
    """Speech to take."""

    end_silence_timeout: Maybe[Positive] = None
    """Seconds of silence that end it."""
    speech_timeout: Maybe[Positive] = None
    """Longest speech in seconds."""
    language: Maybe[str] = None
    """A BCP 47 tag, or ``engine:tag``."""
    hints: Maybe[Items[str]] = None
    """Words that are likely to be said."""
    model: Maybe[str] = None
    """The engine's name of a model."""
    engine: Maybe[Literal["Google", "Google.V2", "Deepgram"]] = None
    """Who recognises the speech."""


class CollectParams(Ruled):
    """What input is taken: ``digits``, ``speech`` or both."""

    model_config = ConfigDict(json_schema_extra=at_least_one("digits", "speech"))

    control_id: ControlId
    """Your name for this input; unique among those that run on the call."""
    initial_timeout: Maybe[Positive] = None
    """Seconds to wait for the first input."""
    digits: Maybe[CollectDigits] = None
    """Keys to take."""
    speech: Maybe[CollectSpeech] = None
    """Speech to take."""
    continuous: Maybe[bool] = False
    """Begin again after each result, until stopped."""
    partial_results: Maybe[bool] = False
    """Report what is understood so far."""
    send_start_of_input: Maybe[bool] = False
    """Report when input begins."""
    start_input_timers: Maybe[bool] = False
    """Let the clocks run at once; else ``calling.collect.start_input_timers`` starts them."""
    status_url: Maybe[WebUrl] = None
    """Where results are reported."""

    @classmethod
    def faults(cls, given: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield what is wrong across the keys."""
        if absent(given, ("digits", "speech")):
            yield Fault(("digits",), FieldCode.MISSING, "is required: give digits, speech or both")


class Collect(OnCall):
    """Starts to take input."""

    command: Literal["calling.collect"] = "calling.collect"
    params: CollectParams


class CollectStop(OnCall):
    """Ends the input."""

    command: Literal["calling.collect.stop"] = "calling.collect.stop"
    params: ControlParams


class CollectStartInputTimers(OnCall):
    """Lets the clocks of an input run."""

    command: Literal["calling.collect.start_input_timers"] = "calling.collect.start_input_timers"
    params: ControlParams
