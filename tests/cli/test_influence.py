"""`segment --trace` and `retclip influence`: kept answers, who voted in them, what would be otherwise."""

import json
from datetime import timedelta

import pytest

import retclip
from retclip.errors import ConfigError, DataError

SETTINGS = {"store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}, "retrieval": {"k": 4}}
ASKED = ("--set", "store.index=resident", "--proposer", "reference.ground_truth", "--set", "retrieval.k=4")


def test_influence_is_what_leaving_it_out_changes(own_store, scene):
    with retclip.open(own_store, settings=SETTINGS) as memory:
        result = memory.segment(scene)
        assert memory.influence(result.explain(result.segments[0]).neighbours[0].id).traces == 0
        memory.trace(result)
        changed = set()
        for one in result.segments[:4]:
            voter = next(near for near in result.explain(one).neighbours if near.share)
            found = memory.influence(voter.id)
            assert (found.traces, found.photos) == (1, 1)
            voted = {
                info.id
                for info in result.segments
                if any(near.id == voter.id and near.share for near in result.explain(info).neighbours)
            }
            assert {record.segment for record in found.segments} == voted and one.id in voted
            for record in found.segments:
                answer = memory.explain(result, record.segment, without=[voter.id]).what_if
                assert (record.changed_pixels == record.pixels) == answer.changed and record.exact == answer.exact
                assert record.label_without == (answer.label if answer.changed else None)
                changed.add(answer.changed)
        assert changed == {True, False}
        every = memory.influence(run=1)
        assert {record.segment for record in every.segments} == {info.id for info in result.segments}
        assert all(record.changed_pixels == record.pixels for record in every.segments)  # nothing would be left
        with pytest.raises(DataError, match="99"):
            memory.influence(run=99)
        ids = [near.id for near in result.explain(result.segments[0]).neighbours]
        assert memory.store.traces.voted(ids) == {
            near for near in ids if any(near in voters for voters in [voters_of(result)])
        }


def test_a_negative_example_takes_part_where_it_keeps_others_from_voting(own_store, scene):
    with retclip.open(own_store, settings=SETTINGS) as memory:
        words = memory.prepare(None)
        first = memory.segment(scene, words)
        memory.trace(first)
        one = first.segments[0]
        example = first.explain(one).neighbours[0]
        other = next(name for name in first.evidence.vocabulary.names if name != example.class_then)
        memory.reject(example.id, other)
        assert {each.trace for each in memory.influence(example.id).segments} == {1}, "an earlier vote counts still"
        memory.reject(example.id, one.class_name)
        result = memory.segment(scene, words)
        memory.trace(result)
        found = [record for record in memory.influence(example.id).segments if record.trace == 2]
        barred = {
            info.id
            for info in result.segments
            if any(near.barred and near.id != example.id for near in result.explain(info).neighbours)
        }
        assert barred and {record.segment for record in found} == barred
        for record in found:
            answer = memory.explain(result, record.segment, without=[example.id]).what_if
            assert (record.changed_pixels == record.pixels) == answer.changed
        assert any(record.changed_pixels for record in found)
        memory.reject(example.id, one.class_name, take_back=True)
        memory.reject(example.id, other, take_back=True)
        assert {each.trace for each in memory.influence(example.id).segments} == {1}, "no example any more"


def test_of_an_answer_without_votes_it_says_nothing(own_store, scene):
    with retclip.open(own_store, settings=SETTINGS) as memory:
        near = memory.segment(scene).explain(1).neighbours[0]
        memory.reject(near.id, near.class_then)
    prototypes = {**SETTINGS, "components": {**SETTINGS["components"], "classifiers": ["retrieval.prototypes"]}}
    with retclip.open(own_store, settings=prototypes) as memory:
        result = memory.segment(scene, memory.prepare(None))
        assert near.id in result.evidence.neighbours.negatives.ids
        memory.trace(result)
        found = memory.influence(near.id)
        assert (found.traces, found.photos, found.segments) == (1, 0, ())
        assert memory.influence(run=1).segments == ()


def test_classifiers_are_loaded_once_for_all_traces(own_store, scene, monkeypatch):
    from retclip.workflows.explain import recorded_voters

    loaded, original = [], recorded_voters._loaded
    monkeypatch.setattr(recorded_voters, "_loaded", lambda *arguments: loaded.append(arguments) or original(*arguments))
    with retclip.open(own_store, settings=SETTINGS) as memory:
        result = memory.segment(scene)
        memory.trace(result)
        memory.trace(result)
        assert memory.influence(run=1).traces == 2
    assert len(loaded) == 1


def voters_of(result):
    from retclip.workflows.explain import influence

    return influence.voters_of(result.evidence)


def test_traces_expire_at_the_next_one_and_by_doctor(own_store, scene, monkeypatch):
    from retclip.store.segments import traces

    with retclip.open(own_store, settings=SETTINGS) as memory:
        result, now = memory.segment(scene), traces.now
        memory.trace(result, days=1)
        memory.trace(result)
        assert memory.store.traces.count() == 2
        monkeypatch.setattr(traces, "now", lambda: now() + timedelta(days=2))
        assert memory.store.traces.count() == 1
        memory.trace(result, days=5)
        assert memory.store.traces.prune() == 0  # the one before has forgotten it
        monkeypatch.setattr(traces, "now", lambda: now() + timedelta(days=60))
        (finding,) = [one for one in memory_doctor(memory) if one.what == "traces"]
        assert finding.ok and finding.found == "0 answers kept, 2 expired ones forgotten"
        with pytest.raises(ConfigError, match="days above 0"):
            memory.trace(result, days=0)
        with pytest.raises(ConfigError, match="one of SEGMENT and --run RUN"):
            memory.influence()


def memory_doctor(memory):
    from retclip.workflows.doctor.doctor import check_open_store

    return check_open_store(memory.store, repair=False)


def test_only_who_asks_keeps_traces(run, own_store, built, tmp_path):
    photo = built.photos / "train_0_0000.png"
    plain = ("segment", built.source.replace("count=6", "count=1"), "--store", own_store, *ASKED)
    assert run(*plain, "--out", tmp_path / "a").code == 0, photo
    with retclip.open(own_store, settings=SETTINGS) as memory:
        assert memory.store.traces.count() == 0
    assert run(*plain, "--out", tmp_path / "b", "--trace", "--trace-days", "3").code == 0
    ran = run(*plain, "--out", tmp_path / "c", "--trace-days", "3")
    assert ran.code == 2 and "--trace beside --trace-days" in ran.err
    ran = run("influence", "--run", "1", "--store", own_store, "--json")
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    assert answer["traces"] == answer["photos"] == 1 and answer["segments"]
    told = run("influence", "--run", "1", "--store", own_store)
    assert "would be another class without" in told.err and "photo\tsegment\tclass" in told.out
