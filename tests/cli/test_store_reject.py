"""`retclip store reject`: a stored segment counts against a class; shown by explain and class list, undone."""

import json
import re

import pytest

import retclip

SETTINGS = {"store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}, "retrieval": {"k": 6}}
ASKED = ("--set", "store.index=resident", "--proposer", "reference.ground_truth", "--set", "retrieval.k=6")


def test_a_rejected_segment_takes_the_votes_behind_it(own_store, scene):
    with retclip.open(own_store, settings=SETTINGS) as memory:
        result = memory.segment(scene)
        one = result.segments[0]
        before = result.explain(one)
        nearest = before.neighbours[0]
        assert nearest.class_then == one.class_name and before.negatives == ()
        edit = memory.reject(nearest.id, one.class_name)
        after = memory.segment(scene)
        why = after.explain(next(s for s in after.segments if s.proposal == one.proposal))
        assert [near.barred for near in why.neighbours] == [
            near.class_then == one.class_name for near in why.neighbours
        ]
        assert all(near.share == 0 for near in why.neighbours if near.barred)
        shares = {}
        for near in why.neighbours:
            if not near.barred:
                shares[near.class_then] = shares.get(near.class_then, 0.0) + near.share
        votes = {name: value for name, value in why.votes().items() if value}
        assert {name: value for name, value in shares.items() if value} == pytest.approx(votes, abs=1e-5)
        (example,) = why.negatives
        assert (example.class_name, example.nearest, example.examples) == (one.class_name, nearest.id, 1)
        assert example.barred == sum(near.barred for near in why.neighbours) > 0
        again = memory.explain(after, why.segment.id, without=[nearest.id]).what_if  # it neither votes nor bars
        assert again.exact and again.label == one.class_name
        (row,) = [row for row in memory.classes.list() if row.negatives]
        assert row.name == one.class_name and row.negatives == 1
        memory.undo(edit.event)
        third = memory.segment(scene)
        assert third.evidence.neighbours.negatives is None
        assert [s.class_name for s in third.segments] == [s.class_name for s in result.segments]


@pytest.mark.parametrize("per_class", [False, True])
def test_beside_negative_examples_an_answer_without_neighbours_is_what_the_store_gives(own_store, scene, per_class):
    settings = {**SETTINGS, "retrieval": {"k": 6, "per_class": per_class}}
    with retclip.open(own_store, settings=settings) as memory:
        words = memory.prepare(None)
        first = memory.segment(scene, words)
        near = first.explain(first.segments[0]).neighbours
        others = [one.id for one in near if one.class_then != first.segments[0].class_name]
        memory.reject(others[:2], first.segments[0].class_name)
        result = memory.segment(scene, words)
        for one in result.segments[:3]:
            gone = [each.id for each in result.explain(one).neighbours[:2]]
            answer = memory.explain(result, one.id, without=gone).what_if
            edit = memory.store.segments.quarantine(gone, "t")
            after = memory.segment(scene, words)
            memory.undo(edit.event)
            names = result.evidence.vocabulary.names
            assert answer.exact
            for name, value in answer.combined.items():
                now = float(after.evidence.combined[one.proposal, names.index(name)])
                assert value == pytest.approx(now, abs=1e-4), name


def test_evidence_files_keep_negative_examples(own_store, scene, tmp_path):
    from retclip.workflows.explain.evidence_file import load_evidence, save_evidence

    with retclip.open(own_store, settings=SETTINGS) as memory:
        result = memory.segment(scene)
        near = result.explain(result.segments[0]).neighbours
        memory.reject([near[0].id, near[1].id], result.segments[0].class_name)
        result = memory.segment(scene)
        save_evidence(tmp_path / "a.evidence.npz", result.panoptic, result.evidence)
        _, evidence = load_evidence(tmp_path / "a.evidence.npz")
        was, now = result.evidence.neighbours.negatives, evidence.neighbours.negatives
        assert list(now.ids) == list(was.ids) and now.classes.tolist() == was.classes.tolist()
        assert now.distances.tolist() == was.distances.tolist()
        places = [each.neighbours.decorrelated.tolist() for each in (evidence, result.evidence)]
        assert places[0] == places[1]
        number = result.segments[0].id
        assert memory.explain(tmp_path / "a.evidence.npz", number).negatives == result.explain(number).negatives


def test_the_command_says_what_it_did_and_how_to_go_back(run, own_store, scene):
    with retclip.open(own_store, settings=SETTINGS) as memory:
        result = memory.segment(scene)
        one = result.segments[0]
        near = result.explain(one).neighbours[0].id
    ran = run("store", "reject", str(near)[:8], one.class_name, "--store", own_store, "--why", "a cart", "--json")
    assert ran.code == 0, ran.err
    event = json.loads(ran.out)["event"]
    assert f"to go back: retclip undo {event} --store {own_store}" in ran.err
    ran = run("class", "list", "--store", own_store, "--json")
    assert {row["name"]: row["negatives"] for row in json.loads(ran.out) if row["negatives"]} == {one.class_name: 1}
    assert "negative" in run("class", "list", "--store", own_store).out
    photo = scene.uri
    ran = run("explain", photo, "--at", "40,30", "--store", own_store, *ASKED)
    again = run("store", "reject", near, one.class_name, "--store", own_store)
    assert again.code == 3 and "said already of all 1" in again.err
    assert run("store", "reject", near, one.class_name, "--store", own_store, "--take-back").code == 0
    assert run("store", "reject", near, "--store", own_store).code == 2
    assert re.search("segment.reject", run("log", "--store", own_store).out)
    with retclip.open(own_store, settings=SETTINGS) as memory:
        assert next(entry.reason for entry in memory.log() if entry.id == event) == "a cart"


def test_segments_are_named_as_for_every_correction(own_store):
    with retclip.open(own_store) as memory:
        first = memory.search(limit=1)[0]
        other = next(one.name for one in memory.classes.list() if one.name != first.class_name)
        edit = memory.reject(str(first.id)[:8], other)
        assert memory.store.segments.rejected() == {other: (first.id,)}
        memory.undo(edit.event)
        memory.reject(memory.search(limit=1), other)
        assert memory.store.segments.rejected() == {other: (first.id,)}
