"""Commands on the AI agent that speaks on the call."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import ConfigDict

from callmq_contracts.commands.control import NoParams
from callmq_contracts.faults import Fault
from callmq_contracts.formats import Free, NumericText
from callmq_contracts.problem import FieldCode
from callmq_contracts.shapes import Closed, Maybe, OnCall, Ruled, absent, at_least_one


class AiHoldParams(Closed):
    """How long the caller is held."""

    timeout: Maybe[NumericText] = None
    """Seconds, written as text (an integer is the leniency ``ai_hold_timeout_integer``)."""
    prompt: Maybe[str] = None
    """What the agent says first."""


class AiHold(OnCall):
    """Holds the conversation with the agent."""

    command: Literal["calling.ai_hold"] = "calling.ai_hold"
    params: AiHoldParams


class AiUnhold(OnCall):
    """Goes on with the conversation."""

    command: Literal["calling.ai_unhold"] = "calling.ai_unhold"
    params: NoParams


class AiReset(Closed):
    """How the conversation begins anew."""

    full_reset: Maybe[bool] = None
    """Forget all that was said."""
    user_prompt: Maybe[str] = None
    """What the user says next."""
    system_prompt: Maybe[str] = None
    """The agent's new instructions."""


class AiMessageParams(Ruled):
    """What the agent is told: ``message_text``, ``reset``, ``global_data`` or several of them."""

    model_config = ConfigDict(json_schema_extra=at_least_one("message_text", "reset", "global_data"))

    role: Maybe[Literal["system", "user", "assistant"]] = None
    """Whose words the text is taken for. Alone, it says nothing."""
    message_text: Maybe[str] = None
    """What is said."""
    reset: Maybe[AiReset] = None
    """Begin the conversation anew."""
    global_data: Maybe[Free] = None
    """Merged into the session's data; it passes untouched."""

    @classmethod
    def faults(cls, given: Mapping[str, Any]) -> Iterator[Fault]:
        """Yield what is wrong across the keys."""
        if absent(given, ("reset", "global_data")) and given.get("message_text", "") == "":
            sentence = "has nothing in it: give message_text, reset or global_data"
            yield Fault((), FieldCode.EMPTY, sentence)


class AiMessage(OnCall):
    """Tells the agent something, resets it, or changes its data."""

    command: Literal["calling.ai_message"] = "calling.ai_message"
    params: AiMessageParams


class AiStopParams(Closed):
    """Nothing is needed."""

    control_id: Maybe[str] = None
    """Taken and ignored by the endpoint."""


class AiStop(OnCall):
    """Ends the agent's session."""

    command: Literal["calling.ai.stop"] = "calling.ai.stop"
    params: AiStopParams
