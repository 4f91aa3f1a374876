import pytest

from callmq_worker.sandbox.settings import SandboxSettings


def test_what_is_live_can_be_read_and_no_credential_is():
    assert set(SandboxSettings().live()) == {
        "cps",
        "backlog",
        "ring_seconds",
        "answer_seconds",
        "talk_seconds",
        "operation_seconds",
        "rate_limit",
    }


def test_a_change_keeps_the_rest():
    changed = SandboxSettings(port=5).changed({"cps": 0, "backlog": 3})
    assert (changed.cps, changed.backlog, changed.port, changed.talk_seconds) == (0, 3, 5, 300.0)


@pytest.mark.parametrize(
    "wanted",
    [{"cps": -1}, {"cps": "1"}, {"cps": True}, {"cps": float("inf")}, {"backlog": 1.5}, {"api_token": "x"}, {"a": 1}],
)
def test_a_bad_change_is_told(wanted):
    with pytest.raises(ValueError, match=r"[a-z]+ [a-z]+"):
        SandboxSettings().changed(wanted)
