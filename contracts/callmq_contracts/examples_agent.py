"""Examples of live transcription and translation, the AI agent and the sidecar."""

from typing import Any, Final

from callmq_contracts.sample import Samples, on_call

_LEGS: Final = ["remote-caller", "local-caller"]
_LISTENING: Final[dict[str, Any]] = {
    "direction": _LEGS,
    "webhook": "https://example.com/words",
    "live_events": True,
    "ai_summary": True,
    "ai_summary_prompt": "Name the date that was agreed.",
    "speech_engine": "google",
    "speech_timeout": 30000,
    "vad_silence_ms": 250,
    "vad_thresh": 500,
    "debug_level": 1,
}
_SUMMARY: Final = {"summarize": {"webhook": "https://example.com/summary", "prompt": "Two sentences, please."}}
_LOOKUP: Final[dict[str, Any]] = {
    "function": "find_booking",
    "description": "Finds a guest's booking.",
    "purpose": "Bookings.",
    "parameters": {
        "type": "object",
        "properties": {
            "surname": {"type": "string", "description": "As it is spelt.", "enum": ["Gruber", "Huber"]},
            "nights": {"type": "integer", "description": "How long.", "enum": [1, 2, 7], "default": 2},
            "budget": {"type": "number", "description": "A night, in dollars.", "enum": [99.5, 150], "default": 99.5},
            "breakfast": {"type": "boolean", "description": "Included.", "default": True},
            "rooms": {"type": "array", "description": "Room numbers.", "items": {"type": "integer"}},
            "address": {
                "type": "object",
                "description": "Where the guest lives.",
                "properties": {"city": {"type": "string", "default": "Graz"}},
                "required": ["city"],
            },
        },
        "required": ["surname"],
    },
    "web_hook_url": "https://example.com/bookings",
    "web_hook_auth_user": "desk",
    "web_hook_auth_password": "not-a-real-password",
}
_SECTIONS: Final = [
    {"title": "Manner", "body": "Be brief.", "bullets": ["One tip at a time"], "numbered": True},
    {"bullets": ["Never mention prices"], "numberedBullets": False},
    {"body": "Topics", "subsections": [{"body": "Late arrival"}, {"title": "Pets", "bullets": ["Dogs", "Cats"]}]},
]
_SIDECAR: Final[dict[str, Any]] = {
    "lang": "en-US",
    "prompt": {"pom": _SECTIONS},
    "model": "example-large",
    "direction": _LEGS,
    "customer_role": "local-caller",
    "url": "https://example.com/advice",
    "SWAIG": {
        "defaults": {
            "web_hook_url": "https://example.com/functions",
            "web_hook_auth_user": "desk",
            "web_hook_auth_password": "not-a-real-password",
        },
        "functions": [_LOOKUP, {"function": "list_rooms"}],
        "mcp_servers": [
            {
                "url": "https://example.com/mcp",
                "headers": {"Authorization": "Bearer not-a-real-token"},
                "resources": True,
                "resource_vars": {"hotel": "graz"},
            }
        ],
    },
    "permissions": {"swaig_allow_swml": False, "swaig_allow_settings": True, "swaig_set_global_data": False},
    "global_data": {"hotel": {"city": "Graz", "rooms": 40}},
    "hints": ["Graz", "late check-out"],
    "params": {
        "idle_timeout_ms": 300,
        "min_interval_ms": 1000,
        "max_iters_per_tick": 3,
        "max_history_tokens": 4000,
        "act_on_channel": False,
        "final_summary": True,
        "ai_summary": True,
        "ai_summary_prompt": "What did the guest ask for?",
        "summary_model": "example-small",
        "live_events": True,
        "verbose_utterances": False,
        "speech_engine": "deepgram",
        "speech_timeout": 45000,
        "vad_silence_ms": 300,
        "vad_thresh": 2500,
        "debug_level": 5,
        "debug": False,
        "transcribe_prompt": "A hotel's front desk.",
    },
}

AGENT_EXAMPLES: Final[Samples] = {
    **on_call(
        "calling.live_transcribe",
        {"action": {"start": {"lang": "en-US", "direction": _LEGS}}},
        {"action": {"start": {"lang": "de-AT", **_LISTENING}}},
        {"action": _SUMMARY},
        {"action": {"summarize": {}}},
        {"action": "stop"},
    ),
    **on_call(
        "calling.live_translate",
        {"action": {"start": {"from_lang": "en-US", "to_lang": "de-AT", "direction": _LEGS}}},
        {
            "action": {
                "start": {
                    "from_lang": "de-AT",
                    "to_lang": "it-IT",
                    "from_voice": "example.anna",
                    "to_voice": "example.luca",
                    "filter_from": "polite",
                    "filter_to": "prompt:Speak like an old friend.",
                    **_LISTENING,
                }
            },
            "status_url": "https://example.com/translated",
        },
        {"action": _SUMMARY},
        {"action": {"inject": {"message": "One moment, please.", "direction": "remote-caller"}}},
        {"action": "stop"},
    ),
    **on_call("calling.ai_hold", {"timeout": "120"}, {"timeout": "45", "prompt": "I look that up."}, {}),
    **on_call("calling.ai_unhold", {}),
    **on_call(
        "calling.ai_message",
        {"role": "system", "message_text": "The guest is a regular."},
        {"reset": {"full_reset": True, "user_prompt": "Hello again.", "system_prompt": "You are a porter."}},
        {"global_data": {"room": 312, "paid": None}},
    ),
    **on_call("calling.ai.stop", {}, {"control_id": "agent"}),
    **on_call(
        "calling.ai_sidecar",
        {"lang": "en-US", "prompt": "Give the desk one short tip when the guest hesitates."},
        {"lang": "en-US", "prompt": {"text": "Watch out for dates."}},
        {"lang": "en-US", "prompt": {"file": "desk.txt"}},
        _SIDECAR,
        {"lang": "en-US", "action": _SUMMARY},
    ),
    **on_call("calling.ai_sidecar.poke", {"text": "The guest has a dog."}),
    **on_call("calling.ai_sidecar.ask", {"text": "Which nights were named?"}),
    **on_call("calling.ai_sidecar.stop", {}),
    **on_call("calling.ai_sidecar.status", {}),
}
