"""Commands that transcribe or translate while people speak."""

from typing import Annotated, Literal

from callmq_contracts.formats import Leg, LooseWebUrl, SpeechEngine, Text, VoiceFilter, WebUrl, Whole, ranged
from callmq_contracts.shapes import Closed, Items, Maybe, OnCall
from callmq_contracts.unions import ByKey, ByShape


class Listening(Closed):
    """What a live transcription and a live translation share."""

    direction: Items[Leg]
    """Whose words."""
    webhook: Maybe[LooseWebUrl] = None
    """Where the words are reported."""
    live_events: Maybe[bool] = None
    """Report while people speak."""
    ai_summary: Maybe[bool] = None
    """Summarise at the end."""
    ai_summary_prompt: Maybe[str] = None
    """What the summary should look at."""
    speech_engine: Maybe[SpeechEngine] = "deepgram"
    """Who recognises the speech."""
    speech_timeout: Maybe[Whole] = 60000
    """Longest utterance in milliseconds."""
    vad_silence_ms: Maybe[Whole] = None
    """Milliseconds of silence that end an utterance."""
    vad_thresh: Maybe[Annotated[int, *ranged(0, 1800)]] = 400
    """How loud a voice must be: 0 to 1800."""
    debug_level: Maybe[Annotated[int, *ranged(0, 2)]] = 0
    """How much is reported: 0 to 2."""


class TranscribeListening(Listening):
    """How a live transcription listens."""

    lang: Text
    """The language that is spoken, as a BCP 47 tag."""


class TranslateListening(Listening):
    """How a live translation listens."""

    from_lang: Text
    """The caller's language, as a BCP 47 tag."""
    to_lang: Text
    """The other side's language."""
    from_voice: Maybe[str] = None
    """Voice for the caller's language."""
    to_voice: Maybe[str] = None
    """Voice for the other side's language."""
    filter_from: Maybe[VoiceFilter] = None
    """Manner of what the caller says: a preset, or ``prompt:`` and your own words."""
    filter_to: Maybe[VoiceFilter] = None
    """Manner of what the other side says."""


class SummaryRequest(Closed):
    """A summary of what was said so far."""

    webhook: Maybe[LooseWebUrl] = None
    """Where the summary is sent."""
    prompt: Maybe[str] = None
    """What it should look at."""


class Injection(Closed):
    """A sentence that is translated and said."""

    message: Text
    """What is said, before it is translated."""
    direction: Leg
    """To whom."""


class StartTranscribing(Closed):
    """Starts a live transcription."""

    start: TranscribeListening
    """How it listens."""


class StartTranslating(Closed):
    """Starts a live translation."""

    start: TranslateListening
    """How it listens."""


class Summarize(Closed):
    """Asks for a summary now."""

    summarize: SummaryRequest
    """What the summary is like; may be empty."""


class Inject(Closed):
    """Puts a sentence in."""

    inject: Injection
    """The sentence."""


TranscribeAction = Annotated[
    Literal["stop"] | Annotated[StartTranscribing | Summarize, ByKey("start", "summarize")],
    ByShape("text", "object"),
]
TranslateAction = Annotated[
    Literal["stop"] | Annotated[StartTranslating | Summarize | Inject, ByKey("start", "summarize", "inject")],
    ByShape("text", "object"),
]


class LiveTranscribeParams(Closed):
    """What the live transcription should do."""

    action: TranscribeAction
    """``start``, ``summarize``, or the word ``stop``."""


class LiveTranscribe(OnCall):
    """Starts, summarises or ends a live transcription."""

    command: Literal["calling.live_transcribe"] = "calling.live_transcribe"
    params: LiveTranscribeParams


class LiveTranslateParams(Closed):
    """What the live translation should do."""

    action: TranslateAction
    """``start``, ``summarize``, ``inject``, or the word ``stop``."""
    status_url: Maybe[WebUrl] = None
    """Where the progress is reported."""


class LiveTranslate(OnCall):
    """Starts, summarises or ends a live translation, or puts a sentence in."""

    command: Literal["calling.live_translate"] = "calling.live_translate"
    params: LiveTranslateParams
