import pytest

from callmq_worker.sandbox.faults import EARLY, Faults, Subject, read_fault

DIAL = Subject("/api/calling/calls", "k1", "dial")
PLAY = Subject("/api/calling/calls", "k2", "calling.play", "0e9c80d7-a149-4917-892d-420043709f45")


def armed(*documents) -> Faults:
    faults = Faults()
    for document in documents:
        faults.arm(read_fault(document))
    return faults


def taken(faults: Faults, *subjects: Subject) -> list[str | None]:
    found = [faults.take(subject) for subject in subjects]
    return [fault and fault.action for fault in found]


def test_a_fault_hits_once():
    assert taken(armed({"action": "hang"}), DIAL, DIAL) == ["hang", None]


def test_a_fault_hits_as_often_as_told():
    assert taken(armed({"action": "hang", "times": 2}), DIAL, DIAL, DIAL) == ["hang", "hang", None]


def test_a_fault_without_end_stays():
    faults = armed({"action": "hang", "times": 0})
    assert taken(faults, *[DIAL] * 50) == ["hang"] * 50
    assert faults.listed()[0]["taken"] == 50


@pytest.mark.parametrize(
    ("match", "dial", "play"),
    [
        ({}, True, True),
        ({"command": "dial"}, True, False),
        ({"key": "k2"}, False, True),
        ({"call_id": "0E9C80D7-A149-4917-892D-420043709F45"}, False, True),
        ({"path": "/api/calling/calls"}, True, True),
        ({"path": "/elsewhere"}, False, False),
        ({"command": "dial", "key": "k2"}, False, False),
    ],
)
def test_everything_in_a_match_must_be_so(match, dial, play):
    faults = armed({"action": "hang", "match": match, "times": 0})
    assert taken(faults, DIAL, PLAY) == ["hang" if dial else None, "hang" if play else None]


def test_the_first_armed_that_fits_is_taken():
    faults = armed({"action": "hang", "match": {"command": "calling.play"}}, {"action": "drip"}, {"action": "html_502"})
    assert taken(faults, DIAL, PLAY, DIAL, DIAL) == ["drip", "hang", "html_502", None]


def test_only_an_early_fault_acts_before_reading():
    faults = armed({"action": "hang"}, {"action": EARLY})
    assert faults.early()
    assert (faults.take(DIAL, early=True) or read_fault({"action": "drip"})).action == EARLY
    assert not faults.early()


def test_disarming():
    faults = armed({"action": "hang"}, {"action": "drip"})
    assert faults.disarm(1)
    assert not faults.disarm(1)
    assert [fault["id"] for fault in faults.listed()] == [2]
    assert faults.disarm()
    assert not faults.disarm()
    assert faults.arm(read_fault({"action": "hang"})) == 3, "a number is never given twice"


@pytest.mark.parametrize(
    "document",
    [
        {"action": "status", "status": 503, "headers": {"x-a": "b"}, "body": {"error": "later"}, "acts": True},
        {"action": "retry_after", "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT", "status": 503},
        {"action": "delay", "seconds": 0.5, "when": "before_acting"},
        {"action": "half_answer", "size": 10},
        {"action": "hang", "acts": False, "match": {"key": "k"}, "times": 0},
        {"action": "compressed", "encoding": "deflate"},
    ],
)
def test_a_fault_can_be_armed_from_its_own_form(document):
    fault = read_fault(document)
    assert read_fault(fault.as_dict()) == fault
    assert fault.as_dict().items() >= document.items()


@pytest.mark.parametrize(
    ("action", "acts"),
    [
        (EARLY, False),
        ("reset_before_acting", False),
        ("reset_after_reading", True),
        ("html_502", False),
        ("hang", True),
        ("half_answer", True),
        ("gzip_bomb", True),
    ],
)
def test_whether_the_command_is_carried_out(action, acts):
    assert read_fault({"action": action}).acts is acts


@pytest.mark.parametrize(("given", "told"), [(3, "3"), (0.5, "0.5"), ("soon", "soon"), ("", "")])
def test_retry_after_is_seconds_or_any_text(given, told):
    fault = read_fault({"action": "retry_after", "retry_after": given})
    assert (fault.status, fault.retry_after) == (429, told)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "hang",
        {},
        {"action": "explode"},
        {"action": ["hang"]},
        {"action": "status"},
        {"action": "retry_after"},
        {"action": "delay"},
        {"action": "status", "status": 99},
        {"action": "status", "status": 101},
        {"action": "status", "status": "503"},
        {"action": "status", "status": True},
        {"action": "hang", "times": -1},
        {"action": "hang", "times": 1.5},
        {"action": "hang", "seconds": 1},
        {"action": "hang", "acts": 1},
        {"action": "hang", "match": []},
        {"action": "hang", "match": {"command": 1}},
        {"action": "hang", "match": {"colour": "red"}},
        {"action": EARLY, "match": {"command": "dial"}},
        {"action": EARLY, "acts": True},
        {"action": "delay", "seconds": -1},
        {"action": "delay", "seconds": "1"},
        {"action": "delay", "seconds": 1, "when": "never"},
        {"action": "huge_body", "size": 2**40},
        {"action": "compressed", "encoding": "br"},
        {"action": "status", "status": 500, "headers": []},
        {"action": "status", "status": 500, "headers": {"a b": "c"}},
        {"action": "status", "status": 500, "headers": {"a": "b\r\nc: d"}},
        {"action": "status", "status": 500, "headers": {"a": 1}},
        {"action": "status", "status": 500, "headers": {"Content-Length": "1"}},
        {"action": "retry_after", "retry_after": "1\r\n"},
        {"action": "retry_after", "retry_after": None},
    ],
)
def test_a_mistake_is_told_in_a_sentence(document):
    with pytest.raises(ValueError, match=r"[a-z]+ [a-z]+"):
        read_fault(document)
