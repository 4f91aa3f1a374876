from callmq_worker.sandbox import journal as module
from callmq_worker.sandbox.faults import Subject
from callmq_worker.sandbox.journal import Entry, Journal, mask

PATH = "/api/calling/calls"


def receive(journal: Journal, key: str | None = None, *, acts: bool = False, call_id: str | None = None) -> Entry:
    entry = journal.receive(Entry(0, 1_000_000.0, "POST", Subject(PATH, key, "dial", call_id)))
    if acts:
        journal.act(entry)
    return entry


def numbers(document) -> list[int]:
    return [entry["number"] for entry in document["entries"]]


def test_entries_are_numbered_in_order():
    journal = Journal()
    for _ in range(5):
        receive(journal)
    assert numbers(journal.as_dict()) == [1, 2, 3, 4, 5]
    assert numbers(journal.as_dict(since=3)) == [4, 5]
    assert numbers(journal.as_dict(since=99)) == []


def test_pages_follow_each_other():
    journal = Journal()
    for _ in range(5):
        receive(journal)
    seen, since = [], 0
    while page := numbers(document := journal.as_dict(since=since, limit=2)):
        seen += page
        since = document["next"]
    assert seen == [1, 2, 3, 4, 5]
    assert journal.as_dict(since=2, limit=0)["next"] == 2
    assert journal.as_dict(since=99)["next"] == 5, "a reader finds back after the journal was cleared"


def test_a_key_or_call_can_be_asked_for():
    journal = Journal()
    receive(journal, "a")
    receive(journal, "b", call_id="c1")
    receive(journal, "a", call_id="c1")
    assert numbers(journal.as_dict(key="a")) == [1, 3]
    assert numbers(journal.as_dict(call_id="c1")) == [2, 3]
    assert numbers(journal.as_dict(key="a", call_id="c1")) == [3]


def test_only_what_acted_counts():
    journal = Journal()
    receive(journal, "a", acts=True)
    receive(journal, "a")
    receive(journal, "b", acts=True)
    receive(journal, "b", acts=True)
    receive(journal, None, acts=True)
    document = journal.as_dict(key="b")
    assert document["times_acted"] == 2
    assert document["acted_more_than_once"] == {"b": 2}
    assert (document["acted"], document["keys_acted"], document["received"]) == (4, 2, 5)
    assert journal.times_acted("a") == 1
    assert journal.times_acted("never") == 0


def test_old_entries_are_forgotten_and_counts_are_not():
    journal = Journal(size=3)
    for _ in range(10):
        receive(journal, "a", acts=True)
    document = journal.as_dict()
    assert numbers(document) == [8, 9, 10]
    assert numbers(journal.as_dict(since=8)) == [9, 10]
    assert (document["forgotten"], document["received"], journal.times_acted("a")) == (7, 10, 10)


def test_keys_are_bounded_the_longest_unused_goes(monkeypatch):
    monkeypatch.setattr(module, "_KEYS", 2)
    journal = Journal()
    for key in ("a", "a", "b", "a", "c"):
        receive(journal, key, acts=True)
    assert {key: journal.times_acted(key) for key in "abc"} == {"a": 3, "b": 0, "c": 1}
    assert journal.repeated() == {"a": 3}
    receive(journal, "d", acts=True)
    assert journal.repeated() == {}


def test_clear_begins_anew():
    journal = Journal()
    receive(journal, "a", acts=True)
    journal.clear()
    document = journal.as_dict(key="a")
    assert (document["entries"], document["received"], document["times_acted"]) == ([], 0, 0)
    assert receive(journal).number == 1


def test_an_entry_in_json():
    entry = Entry(0, 1_000_000.5, "POST", Subject(PATH, "k", "dial"), "c", "+15550100001", 200, "drip")
    journal = Journal()
    journal.act(journal.receive(entry))
    assert journal.as_dict()["entries"] == [
        {
            "number": 1,
            "time": "1970-01-12T13:46:40.500Z",
            "method": "POST",
            "path": PATH,
            "key": "k",
            "command": "dial",
            "call_id": None,
            "control_id": "c",
            "to": "+15*****01",
            "status": 200,
            "fault": "drip",
            "acted": True,
        },
    ]


def test_numbers_are_masked_and_ids_are_not():
    assert mask("+15550100001") == "+15*****01"
    assert mask("15550100001") == "15*****01"
    assert mask("sip:+15550100001@example.com") == "sip:+15*****01@example.com"
    assert mask("0e9c80d7-a149-4917-892d-420043709f45") == "0e9c80d7-a149-4917-892d-420043709f45"
    assert mask("/api/calling/calls") == "/api/calling/calls"
    assert mask("sip:alice@example.com") == "sip:alice@example.com"
