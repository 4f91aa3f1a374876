"""The one place where a command is registered: its name, model, class, lifetime and order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from callmq_contracts.command import Order, Safety
from callmq_contracts.commands import (
    ai,
    call,
    collect,
    denoise,
    detect,
    fax,
    live,
    play,
    record,
    sidecar,
    stream,
    tap,
    transcribe,
)
from callmq_contracts.shapes import Body

CATALOG_DATE: Final = "2026-08-21"
"""The day of the endpoint's description that this catalogue follows."""

MOMENT: Final = 5.0
SOON: Final = 30.0
MINUTES_TO_HOURS: Final = 3600.0
WHILE_THE_CALL_LIVES: Final = 14_400.0

Classed = tuple[Safety, float]
Classify = Callable[[Mapping[str, Any]], Classed]


@dataclass(frozen=True, slots=True)
class Entry:
    """One command. ``classify`` takes the ``params`` of a body that kept its contract."""

    name: str
    model: type[Body]
    classify: Classify
    """Says the class and the default lifetime in seconds."""
    order: Order = Order.CALL
    starts: bool = False
    """Whether it starts an operation that a ``control_id`` names."""
    vital: bool = False
    """Whether someone must be told when it was not done: a card number is being recorded."""
    validate: Callable[..., Body] = field(init=False, repr=False, compare=False)
    """The model's judge of a parsed body. Raises pydantic's ValidationError."""

    def __post_init__(self) -> None:
        """Look the judge up once: it is asked for every body."""
        object.__setattr__(self, "validate", self.model.__pydantic_validator__.validate_python)


def _always(safety: Safety, seconds: float) -> Classify:
    def classify(_params: Mapping[str, Any]) -> Classed:
        return safety, seconds

    return classify


def _update(params: Mapping[str, Any]) -> Classed:
    if "url" in params or "swml" in params:
        return Safety.UNSAFE, SOON
    return Safety.CONVERGENT, WHILE_THE_CALL_LIVES


def _live(params: Mapping[str, Any]) -> Classed:
    action = params["action"]
    if action == "stop":
        return Safety.CONVERGENT, WHILE_THE_CALL_LIVES
    if "start" in action:
        return Safety.GUARDED, SOON
    if "summarize" in action:
        return Safety.UNSAFE, WHILE_THE_CALL_LIVES
    return Safety.UNSAFE, MOMENT


def _ai_hold(params: Mapping[str, Any]) -> Classed:
    return (Safety.UNSAFE if "prompt" in params else Safety.GUARDED), MOMENT


def _ai_message(params: Mapping[str, Any]) -> Classed:
    if "role" in params or "message_text" in params:
        return Safety.UNSAFE, MOMENT
    return Safety.CONVERGENT, SOON


def _ai_sidecar(params: Mapping[str, Any]) -> Classed:
    return (Safety.UNSAFE if "action" in params else Safety.GUARDED), SOON


_READ = _always(Safety.SAFE, MOMENT)
_SWITCH = _always(Safety.CONVERGENT, MOMENT)
_SETTLE = _always(Safety.CONVERGENT, SOON)
_STOP = _always(Safety.CONVERGENT, WHILE_THE_CALL_LIVES)
_START = _always(Safety.GUARDED, SOON)
_TELL = _always(Safety.UNSAFE, MOMENT)
_MOVE = _always(Safety.UNSAFE, SOON)
_DIAL = _always(Safety.UNSAFE, MINUTES_TO_HOURS)

_ENTRIES: Final = (
    Entry("dial", call.Dial, _DIAL, Order.NONE),
    Entry("update", call.Update, _update),
    Entry("calling.end", call.End, _STOP, Order.OVERTAKES),
    Entry("calling.disconnect", call.Disconnect, _SWITCH),
    Entry("calling.transfer", call.Transfer, _MOVE),
    Entry("calling.refer", call.Refer, _MOVE),
    Entry("calling.user_event", call.UserEvent, _TELL),
    Entry("calling.play", play.Play, _START, starts=True),
    Entry("calling.play.pause", play.PlayPause, _SWITCH),
    Entry("calling.play.resume", play.PlayResume, _SWITCH),
    Entry("calling.play.stop", play.PlayStop, _STOP),
    Entry("calling.play.volume", play.PlayVolume, _SWITCH),
    Entry("calling.record", record.Record, _START, starts=True),
    Entry("calling.record.pause", record.RecordPause, _SWITCH, vital=True),
    Entry("calling.record.resume", record.RecordResume, _SWITCH),
    Entry("calling.record.stop", record.RecordStop, _STOP),
    Entry("calling.collect", collect.Collect, _START, starts=True),
    Entry("calling.collect.stop", collect.CollectStop, _STOP),
    Entry("calling.collect.start_input_timers", collect.CollectStartInputTimers, _SWITCH),
    Entry("calling.detect", detect.Detect, _START, starts=True),
    Entry("calling.detect.stop", detect.DetectStop, _STOP),
    Entry("calling.tap", tap.Tap, _START, starts=True),
    Entry("calling.tap.stop", tap.TapStop, _STOP),
    Entry("calling.transcribe", transcribe.Transcribe, _START, starts=True),
    Entry("calling.transcribe.stop", transcribe.TranscribeStop, _STOP),
    Entry("calling.stream", stream.Stream, _START, starts=True),
    Entry("calling.stream.stop", stream.StreamStop, _STOP),
    Entry("calling.denoise", denoise.Denoise, _SETTLE),
    Entry("calling.denoise.stop", denoise.DenoiseStop, _SETTLE),
    Entry("calling.live_transcribe", live.LiveTranscribe, _live),
    Entry("calling.live_translate", live.LiveTranslate, _live),
    Entry("calling.ai_hold", ai.AiHold, _ai_hold),
    Entry("calling.ai_unhold", ai.AiUnhold, _SETTLE),
    Entry("calling.ai_message", ai.AiMessage, _ai_message),
    Entry("calling.ai.stop", ai.AiStop, _STOP),
    Entry("calling.ai_sidecar", sidecar.AiSidecar, _ai_sidecar),
    Entry("calling.ai_sidecar.poke", sidecar.AiSidecarPoke, _TELL),
    Entry("calling.ai_sidecar.ask", sidecar.AiSidecarAsk, _TELL),
    Entry("calling.ai_sidecar.stop", sidecar.AiSidecarStop, _STOP),
    Entry("calling.ai_sidecar.status", sidecar.AiSidecarStatus, _READ),
    Entry("calling.send_fax.stop", fax.SendFaxStop, _STOP),
    Entry("calling.receive_fax.stop", fax.ReceiveFaxStop, _STOP),
)

CATALOG: Final[Mapping[str, Entry]] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""All commands by name."""
