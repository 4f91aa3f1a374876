"""What mypy and pyright must make of the public vocabulary. Never run: test_typing.py has both read it.

An expected error is marked for both of them; a mark that nothing needs is an error itself.
"""

from collections.abc import AsyncIterator
from typing import Any, Literal, assert_type

from callmq import (
    AiMessage,
    Client,
    Collect,
    CollectDigits,
    CollectParams,
    Command,
    Confirmed,
    Dial,
    DialParams,
    End,
    EndParams,
    Invalid,
    Message,
    OutcomeName,
    Play,
    PlayAudio,
    PlayParams,
    PlayRingtone,
    PlaySilence,
    PlayTts,
    ProblemCode,
    PublishResult,
    ReceivedProblem,
    ReceivedReply,
    Rejected,
    SendManyResult,
    SilenceParams,
    TtsParams,
    Unknown,
    decode,
    parse_reply,
)

CALL = "5a1c0f7e-2b64-4d0a-9c33-0b7d1e8f4a21"


def bodies() -> None:
    params = DialParams(
        from_="+15550100",
        to="+15550101",
        url="https://example.com",
        codecs=["OPUS", "PCMU"],
        status_events=["ringing", "ended"],
        custom_variables={"room": "312"},
        max_price_per_minute=0.02,
    )
    assert_type(params.from_, str)
    assert_type(params.to, str | None)
    assert_type(params.timeout, int | None)
    assert_type(params.url_method, Literal["GET", "POST"] | None)
    assert_type(params.swml, dict[str, Any] | None)
    assert_type(params.region, str | list[str] | None)
    dial = Dial(params=params)
    assert_type(dial.command, Literal["dial"])
    assert_type(dial.params, DialParams)
    assert_type(dial.body(), dict[str, Any])
    assert_type(dial.wire(), bytes)

    play = Play(
        id=CALL,
        params=PlayParams(
            control_id="welcome",
            play=[
                PlayTts(type="tts", params=TtsParams(text="Hello", gender="female")),
                PlaySilence(type="silence", params=SilenceParams(duration=0.5)),
            ],
            volume=-3,
            direction="both",
        ),
    )
    assert_type(play.id, str)
    assert_type(play.params.play, list[PlayAudio | PlayTts | PlaySilence | PlayRingtone])
    assert_type(play.params.direction, Literal["listen", "speak", "both"] | None)
    End(id=CALL, params=EndParams())
    Collect(id=CALL, params=CollectParams(control_id="pin", digits=CollectDigits(max=4)))


def annotated() -> None:
    items: list[PlayAudio | PlayTts | PlaySilence | PlayRingtone] = [PlayTts(type="tts", params=TtsParams(text="x"))]
    PlayParams(control_id="welcome", play=items)


def mistakes() -> None:
    params = DialParams(from_="+15550100", to="+15550101", url="https://example.com")
    Dial()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    DialParams(to="+15550101")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    DialParams(from_=15550100)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    DialParams(from_="x", form="y")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    DialParams(from_="x", timeout="25")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    DialParams(from_="x", codecs=["MP3"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    DialParams(from_="x", url_method="PUT")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Dial(command="calling.end", params=params)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Dial(params=EndParams())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    End(params=EndParams())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    EndParams(reason="bored")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PlayTts(type="audio", params=TtsParams(text="x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    PlayParams(control_id="c", play=[TtsParams(text="x")])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    AiMessage(id=CALL).wire()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def judged(body: bytes) -> str:
    decoded = decode(body, key="order-17")
    assert_type(decoded, Command | Rejected)
    if isinstance(decoded, Rejected):
        assert_type(decoded.problem.code, ProblemCode)
        return decoded.problem.detail
    assert_type(decoded.call_id, str | None)
    assert_type(decoded.lifetime, float)
    return decoded.name


async def sent(dial: Dial, many: AsyncIterator[Message]) -> None:
    async with Client("amqp://localhost/", app_id="billing") as client:
        assert_type(client, Client)
        assert_type(Client.new_key(), str)
        result = await client.send(dial, key="order-17", campaign="spring", priority="bulk")
        assert_type(result, PublishResult)
        assert_type(result.ok, bool)
        if isinstance(result, Unknown):
            assert_type(result, Unknown)
        await client.send({"command": "calling.end", "id": CALL, "params": {}}, expires_at=1_800_000_000_000)
        await client.send(b"{}", validate=True)
        await client.send(dial, key=17)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        await client.send(dial, kye="order-17")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        await client.send(["dial"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        async for each in client.send_many(many):
            assert_type(each, SendManyResult)
            if not isinstance(each, Confirmed | Invalid):
                print(each.message_id)


async def answered(dial: Dial) -> None:
    async with Client("amqp://localhost/") as client:
        reply = await client.call(dial, key="order-17", timeout=30)
        assert_type(reply, ReceivedReply)
        assert_type(reply.outcome, OutcomeName)
        assert_type(reply.call_id, str | None)
        assert_type(reply.problem, ReceivedProblem | None)
        assert_type(reply.final, bool)
        async with client.replies("billing.#", queue="billing") as replies:
            async for each in replies:
                assert_type(each, ReceivedReply)
        parse_reply(b"{}").outcome = OutcomeName.SUCCEEDED  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
