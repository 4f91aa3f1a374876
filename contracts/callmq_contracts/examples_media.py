"""Examples of what is played, recorded, heard and carried elsewhere."""

from typing import Any, Final

from callmq_contracts.sample import Samples, on_call

_WELCOME: Final = {"control_id": "welcome"}
_MEETING: Final = {"control_id": "meeting"}
_PIN: Final = {"control_id": "pin"}
_WHO: Final = {"control_id": "who"}
_COPY: Final = {"control_id": "copy"}
_NOTES: Final = {"control_id": "notes"}
_LISTENER: Final = {"control_id": "listener"}


def _tap(device: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**_COPY, "tap": {"type": "audio", "params": {"direction": "both"}}, "device": device, **more}


MEDIA_EXAMPLES: Final[Samples] = {
    **on_call(
        "calling.play",
        {**_WELCOME, "play": [{"type": "tts", "params": {"text": "Good morning, this is your wake-up call."}}]},
        {**_WELCOME, "play": [{"type": "audio", "params": {"url": "https://example.com/chime.mp3"}}]},
        {
            **_WELCOME,
            "play": [
                {"type": "ringtone", "params": {"name": "at", "duration": 6.5}},
                {"type": "silence", "params": {"duration": 0.5}},
                {
                    "type": "tts",
                    "params": {
                        "text": "Guten Morgen",
                        "language": "de-AT",
                        "gender": "female",
                        "voice": "example.anna",
                    },
                },
            ],
            "volume": -6.5,
            "direction": "both",
            "loop": 2,
            "language": "en-GB",
            "voice": "example.tom",
            "gender": "male",
            "status_url": "https://example.com/played",
        },
    ),
    **on_call("calling.play.pause", _WELCOME),
    **on_call("calling.play.resume", _WELCOME),
    **on_call("calling.play.stop", _WELCOME),
    **on_call("calling.play.volume", {**_WELCOME, "volume": 4.5}),
    **on_call(
        "calling.record",
        {**_MEETING, "record": {"audio": {"format": "wav", "stereo": True, "direction": "both"}}},
        {
            **_MEETING,
            "record": {
                "audio": {
                    "beep": True,
                    "format": "mp3",
                    "stereo": False,
                    "direction": "speak",
                    "initial_timeout": 3,
                    "end_silence_timeout": 1.5,
                    "max_length": 600,
                    "terminators": "*D",
                    "input_sensitivity": 35.5,
                }
            },
            "status_url": "https://example.com/recorded",
        },
        {**_MEETING, "record": {"audio": {}}},
    ),
    **on_call("calling.record.pause", _MEETING, {**_MEETING, "behavior": "silence"}),
    **on_call("calling.record.resume", _MEETING),
    **on_call("calling.record.stop", _MEETING),
    **on_call(
        "calling.collect",
        {**_PIN, "digits": {"max": 6, "terminators": "#"}},
        {
            **_PIN,
            "initial_timeout": 7.5,
            "speech": {
                "end_silence_timeout": 0.8,
                "speech_timeout": 20,
                "language": "en-IE",
                "hints": ["booking", "refund"],
                "model": "example-model",
                "engine": "Google.V2",
            },
            "continuous": True,
            "partial_results": True,
            "send_start_of_input": True,
            "start_input_timers": False,
            "status_url": "https://example.com/collected",
        },
        {**_PIN, "digits": {"max": 1, "digit_timeout": 2.5}, "speech": {}},
    ),
    **on_call("calling.collect.stop", _PIN),
    **on_call("calling.collect.start_input_timers", _PIN),
    **on_call(
        "calling.detect",
        {**_WHO, "detect": {"type": "machine"}},
        {
            **_WHO,
            "detect": {
                "type": "machine",
                "params": {
                    "initial_timeout": 4,
                    "end_silence_timeout": 1.2,
                    "machine_ready_timeout": 2.5,
                    "machine_voice_threshold": 1.5,
                    "machine_words_threshold": 5,
                    "detect_interruptions": True,
                    "detect_message_end": False,
                },
            },
            "timeout": 20,
            "status_url": "https://example.com/detected",
        },
        {**_WHO, "detect": {"type": "fax", "params": {"tone": "CED"}}},
        {**_WHO, "detect": {"type": "digit", "params": {"digits": "19#"}}},
    ),
    **on_call("calling.detect.stop", _WHO),
    **on_call(
        "calling.tap",
        _tap({"type": "ws", "params": {"uri": "wss://example.com/ears"}}),
        _tap({"type": "rtp", "params": {"addr": "203.0.113.9", "port": 4000}}),
        _tap(
            {"type": "rtp", "params": {"addr": "203.0.113.9", "port": 4000, "codec": "PCMU", "ptime": 20}},
            status_url="https://example.com/tapped",
        ),
        _tap({"type": "ws", "params": {"uri": "ws://example.com/ears", "codec": "opus"}}),
    ),
    **on_call("calling.tap.stop", _COPY),
    **on_call("calling.transcribe", _NOTES, {**_NOTES, "status_url": "https://example.com/transcripts"}),
    **on_call("calling.transcribe.stop", _NOTES),
    **on_call(
        "calling.stream",
        {**_LISTENER, "url": "wss://example.com/listen"},
        {
            **_LISTENER,
            "url": "wss://example.com/listen",
            "name": "desk 4",
            "codec": "PCMU",
            "track": "both_tracks",
            "authorization_bearer_token": "not-a-real-token",
            "custom_parameters": {"desk": 4, "nested": {"any": [1, None, True]}},
            "status_url": "https://example.com/streamed",
            "status_url_method": "GET",
        },
    ),
    **on_call("calling.stream.stop", _LISTENER),
    **on_call("calling.denoise", {}),
    **on_call("calling.denoise.stop", {}),
    **on_call("calling.send_fax.stop", {"control_id": "invoice"}),
    **on_call("calling.receive_fax.stop", {"control_id": "order-form"}),
}
