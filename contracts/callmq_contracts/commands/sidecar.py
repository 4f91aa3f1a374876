"""Commands on the AI sidecar, which listens and advises and never speaks."""

from typing import Annotated, Final, Literal

from pydantic import Field

from callmq_contracts.commands.control import NoParams
from callmq_contracts.commands.live import Summarize
from callmq_contracts.commands.sidecar_tools import SidecarPrompt, SidecarTools
from callmq_contracts.formats import Free, Leg, SpeechEngine, Text, WebUrl, ranged
from callmq_contracts.shapes import Closed, Items, Maybe, OnCall, SomeItems

_BOTH_LEGS: Final[list[Leg]] = ["remote-caller", "local-caller"]


class SidecarPermissions(Closed):
    """What functions may do."""

    swaig_allow_swml: Maybe[bool] = True
    """Run SWML."""
    swaig_allow_settings: Maybe[bool] = True
    """Change settings."""
    swaig_set_global_data: Maybe[bool] = True
    """Change ``global_data``."""


class SidecarTuning(Closed):
    """How eager the sidecar is."""

    idle_timeout_ms: Maybe[Annotated[int, *ranged(50, 5000)]] = 200
    """Milliseconds of quiet before it thinks: 50 to 5000."""
    min_interval_ms: Maybe[Annotated[int, *ranged(0, 60_000)]] = 0
    """Milliseconds between two pieces of advice: up to 60000."""
    max_iters_per_tick: Maybe[Annotated[int, *ranged(1, 20)]] = 5
    """Model calls for one piece of advice: 1 to 20."""
    max_history_tokens: Maybe[Annotated[int, *ranged(1000, 200_000)]] = 8000
    """How much it remembers: 1000 to 200000."""
    act_on_channel: Maybe[bool] = True
    """Functions may act on the call."""
    final_summary: Maybe[bool] = False
    """A summary of its advice at the end."""
    ai_summary: Maybe[bool] = False
    """A summary of the conversation at the end."""
    ai_summary_prompt: Maybe[str] = None
    """What that summary should look at."""
    summary_model: Maybe[str] = "gpt-4o-mini"
    """The model for summaries."""
    live_events: Maybe[bool] = False
    """Report words while people speak."""
    verbose_utterances: Maybe[bool] = False
    """Report each utterance."""
    speech_engine: Maybe[SpeechEngine] = "deepgram"
    """Who recognises the speech."""
    speech_timeout: Maybe[Annotated[int, *ranged(0, 600_000)]] = None
    """Longest utterance in milliseconds."""
    vad_silence_ms: Maybe[Annotated[int, *ranged(0, 60_000)]] = None
    """Milliseconds of silence that end an utterance."""
    vad_thresh: Maybe[Annotated[int, *ranged(0, 10_000)]] = None
    """How loud a voice must be: up to 10000 here."""
    debug_level: Maybe[Annotated[int, *ranged(0, 100)]] = 0
    """How much is reported: 0 to 100."""
    debug: Maybe[bool] = False
    """Report what it does."""
    transcribe_prompt: Maybe[str] = None
    """A hint for the transcription."""


class AiSidecarParams(Closed):
    """What the sidecar is for; with ``action``, only a summary of the conversation."""

    lang: Text
    """The language of the conversation, as a BCP 47 tag."""
    prompt: Maybe[SidecarPrompt] = None
    """What it should advise: text, or an object with ``text``, ``pom`` or ``file``."""
    model: Maybe[str] = "gpt-4o-mini"
    """The model that advises."""
    direction: Maybe[Items[Leg]] = Field(default=_BOTH_LEGS)
    """Whose words it hears."""
    customer_role: Maybe[Leg] = "remote-caller"
    """Which side is the customer."""
    url: Maybe[WebUrl] = None
    """Where its advice is sent."""
    swaig: Annotated[Maybe[SidecarTools], Field(alias="SWAIG")] = None
    """What it may call."""
    permissions: Maybe[SidecarPermissions] = None
    """What its functions may do."""
    global_data: Maybe[Free] = None
    """Data of the session; it passes untouched."""
    hints: Maybe[SomeItems[str]] = None
    """Words that are likely to be said."""
    params: Maybe[SidecarTuning] = None
    action: Maybe[Summarize] = None
    """``summarize``: a summary instead of a sidecar."""


class AiSidecar(OnCall):
    """Starts a sidecar, or asks for a summary."""

    command: Literal["calling.ai_sidecar"] = "calling.ai_sidecar"
    params: AiSidecarParams


class SidecarText(Closed):
    """What the sidecar is told or asked."""

    text: Text
    """What is said or asked."""


class AiSidecarPoke(OnCall):
    """Tells the sidecar something and has it answer at once."""

    command: Literal["calling.ai_sidecar.poke"] = "calling.ai_sidecar.poke"
    params: SidecarText


class AiSidecarAsk(OnCall):
    """Asks the sidecar beside the conversation."""

    command: Literal["calling.ai_sidecar.ask"] = "calling.ai_sidecar.ask"
    params: SidecarText


class AiSidecarStop(OnCall):
    """Ends the sidecar."""

    command: Literal["calling.ai_sidecar.stop"] = "calling.ai_sidecar.stop"
    params: NoParams


class AiSidecarStatus(OnCall):
    """Reads the sidecar's counters."""

    command: Literal["calling.ai_sidecar.status"] = "calling.ai_sidecar.status"
    params: NoParams
