"""Who should have which shard: evenly, the same for all who ask, and little moves when a worker comes or goes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmq_worker.core.crew import LOST, KnownShards, Presence, assigned, read

SHARDS = [f"callmq.control.default.{n}" for n in range(1, 25)]


@pytest.mark.parametrize("workers", range(1, 31))
def test_all_have_as_many_or_one_more(workers):
    owners = [f"host:{n}" for n in range(workers)]
    found = assigned(dict.fromkeys(owners, SHARDS))
    assert sorted(found) == sorted(SHARDS)
    load = Counter(found.values())
    assert max(load.values()) - min(load[owner] for owner in owners) <= 1


def test_the_order_in_which_they_are_asked_for_does_not_matter():
    forth, back = (dict.fromkeys(owners, shards) for owners, shards in (("abc", SHARDS), ("cba", SHARDS[::-1])))
    assert assigned(forth) == assigned(back)


def test_without_workers_nobody_has_any():
    assert assigned({}) == {}
    assert assigned({"a": []}) == {}


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from(SHARDS))))
def test_each_goes_to_one_that_has_it_open(opened):
    found = assigned(opened)
    assert set(found) == set().union(*opened.values())
    assert all(shard in opened[owner] for shard, owner in found.items())


def test_a_worker_that_has_none_open_takes_part_of_nothing():
    assert assigned({"a": SHARDS, "sick": []}) == dict.fromkeys(SHARDS, "a")


def test_few_move_when_a_worker_comes():
    moved = []
    for n in range(40):
        before = assigned({f"w{n}{name}": SHARDS for name in "abc"})
        after = assigned({f"w{n}{name}": SHARDS for name in "abcd"})
        moved.append(sum(before[shard] != after[shard] for shard in SHARDS))
        assert sum(owner == f"w{n}d" for owner in after.values()) == 6
    assert sum(moved) / len(moved) < 12  # 6 must; a fresh deal would move 18


def test_who_says_nothing_for_a_while_is_not_there():
    text, crew = Presence("a", {"q": 1})(None, 100.0)
    assert set(crew) == {"a"}
    text, crew = Presence("b", {})(text, 100.0 + LOST - 0.1)
    assert set(crew) == {"a", "b"}
    assert crew["a"].openings == {"q": 1}
    text, crew = Presence("b", {"q": 1})(text, 100.0 + LOST)
    assert set(crew) == set(read(text)) == {"b"}
    assert read(None) == {}


def test_the_most_shards_that_there_ever_were_are_known():
    text, said = None, []
    for used in (1, 3, 1, 5, 2):
        after, known = KnownShards(used)(text, 0.0)
        text = text if after is None else after
        said.append(known)
    assert said == [1, 3, 3, 5, 5]
    assert KnownShards(1)(None, 0.0) == (None, 1)  # who has no shards writes nothing
