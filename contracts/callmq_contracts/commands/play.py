"""Commands that play: audio files, speech, silence, ringtones."""

from typing import Annotated, Literal

from callmq_contracts.commands.control import ControlParams
from callmq_contracts.formats import Decibels, Gender, Heard, NaturalWhole, Positive, Text, WebUrl
from callmq_contracts.shapes import Closed, Maybe, OnCall, SomeObjects
from callmq_contracts.unions import ByType

# Fifty lines of one country each would be no easier to read.
# fmt: off
Ringtone = Literal[
    "au", "be", "ca", "cn", "cy", "cz", "de", "dk", "dz", "eg", "es", "fi", "fr", "hu", "il", "in", "jp",
    "ko", "pk", "pl", "ro", "rs", "ru", "sa", "tr", "uk", "us", "at", "bg", "br", "ch", "cl", "ee", "gr",
    "it", "lt", "mx", "my", "nl", "no", "nz", "ph", "pt", "se", "sg", "th", "za", "tw", "ve", "bong",
]
# fmt: on


class AudioParams(Closed):
    """An audio file."""

    url: WebUrl
    """Where the file is fetched."""


class PlayAudio(Closed):
    """Plays an audio file."""

    type: Literal["audio"]
    params: AudioParams


class TtsParams(Closed):
    """Speech. What is not given here is taken from the command, then from the defaults."""

    text: Text
    """What is said."""
    language: Maybe[str] = None
    """A BCP 47 tag such as ``de-DE``."""
    gender: Maybe[Gender] = None
    """Of the voice."""
    voice: Maybe[str] = None
    """The provider's name of a voice."""


class PlayTts(Closed):
    """Says a text."""

    type: Literal["tts"]
    params: TtsParams


class SilenceParams(Closed):
    """Silence."""

    duration: Positive
    """Seconds, more than 0."""


class PlaySilence(Closed):
    """Plays nothing for a while."""

    type: Literal["silence"]
    params: SilenceParams


class RingtoneParams(Closed):
    """A ringtone."""

    name: Ringtone
    """A country's code, or ``bong``."""
    duration: Maybe[float] = None
    """Seconds; without it, until stopped."""


class PlayRingtone(Closed):
    """Plays a country's ringtone."""

    type: Literal["ringtone"]
    params: RingtoneParams


PlayItem = Annotated[PlayAudio | PlayTts | PlaySilence | PlayRingtone, ByType("audio", "tts", "silence", "ringtone")]


class PlayParams(Closed):
    """What is played, one item after the other."""

    control_id: Text
    """Your name for this playing; unique among those that run on the call."""
    play: SomeObjects[PlayItem]
    """At least one item."""
    volume: Maybe[Decibels] = 0
    """Change in dB: -40 to 40."""
    direction: Maybe[Heard] = "listen"
    """Who hears it."""
    loop: Maybe[NaturalWhole] = 1
    """How many times; 0 is for ever."""
    language: Maybe[str] = "en-US"
    """Language of items that name none."""
    voice: Maybe[str] = None
    """Voice of items that name none."""
    gender: Maybe[Gender] = "female"
    """Gender of items that name none."""
    status_url: Maybe[WebUrl] = None
    """Where the progress is reported."""


class Play(OnCall):
    """Plays one or more items on the call."""

    command: Literal["calling.play"] = "calling.play"
    params: PlayParams


class PlayPause(OnCall):
    """Holds a playing."""

    command: Literal["calling.play.pause"] = "calling.play.pause"
    params: ControlParams


class PlayResume(OnCall):
    """Goes on with a held playing."""

    command: Literal["calling.play.resume"] = "calling.play.resume"
    params: ControlParams


class PlayStop(OnCall):
    """Ends a playing."""

    command: Literal["calling.play.stop"] = "calling.play.stop"
    params: ControlParams


class PlayVolumeParams(ControlParams):
    """How loud."""

    volume: Decibels
    """Change in dB: -40 to 40."""


class PlayVolume(OnCall):
    """Changes how loud a playing is."""

    command: Literal["calling.play.volume"] = "calling.play.volume"
    params: PlayVolumeParams
