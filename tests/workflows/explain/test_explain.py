"""Explain: the scores and neighbours of one segment, as they were seen and as the store knows them now."""

import shutil
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
import torch

import retclip
from retclip.errors import DataError
from retclip.types import ClassScores, PanopticSegmentation, Role, SegmentInfo, Vocabulary
from retclip.workflows.explain.explain import explain, segment_at
from retclip.workflows.explain.what_if import SHOWN


def test_every_neighbour_comes_with_distance_class_and_the_photo_it_was_cut_from(memory, built, result):
    for one in result.segments:
        why = result.explain(one)
        near = result.evidence.neighbours
        there = [item for item in near.ids[one.proposal] if item is not None]
        assert [item.id for item in why.neighbours] == there
        assert 0 < len(there) <= 32
        assert [n.distance for n in why.neighbours] == near.distances[one.proposal][: len(there)].tolist()
        for item in why.neighbours:
            assert item.stored.id == item.id
            assert item.stored.class_name == item.class_then
            assert item.stored.label_source == "annotation"
            assert item.stored.dataset == "scenes"
            assert item.stored.proposer == item.stored.components["proposer"]["name"] == "reference.ground_truth"
            assert item.stored.proposer_version == item.stored.components["proposer"]["version"] != ""
            assert (item.vector_run, item.vector_components) == (item.stored.run, item.stored.components)
            assert item.stored.source == built.source and item.stored.score == 1.0
            assert (built.photos / item.stored.image_uri.rpartition("/")[2]).is_file()


def test_a_neighbour_of_an_added_space_names_the_run_that_made_that_vector(built, scene, tmp_path):
    folder = shutil.copytree(built.store, tmp_path / "store")
    settings = {
        "store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"},
        "plugin": {"reference": {"colour_texture": {"grid": 20}}},
    }  # fmt: skip
    with retclip.open(folder, settings=settings) as memory:
        added = memory.spaces.add("reference.colour_texture").run
        result = memory.segment(scene)
        near = result.explain(result.segments[0]).neighbours
    assert {(one.stored.run, one.vector_run) for one in near} == {(1, added)} and added != 1
    for one in near:
        (made_by,) = one.vector_components.values()
        assert made_by["name"] == "reference.colour_texture"
        assert made_by["settings_sha256"] != one.stored.components["backbone"]["settings_sha256"]


def test_the_nearest_neighbour_of_a_stored_segment_is_itself(scene, result):
    for one in result.segments:
        nearest = result.explain(one).neighbours[0]
        assert nearest.distance == pytest.approx(0, abs=1e-3)
        assert nearest.stored.image_sha256 == scene.sha256
        assert nearest.stored.area == one.area


def test_scores_are_those_of_the_evidence_best_first(result):
    one, evidence = result.segments[0], result.evidence
    why = result.explain(one.id)
    assert (why.segment, why.image_sha256) == (one, evidence.image_sha256)
    assert list(why.scores) == ["retrieval.vote"]
    assert len(why.combined) == SHOWN
    assert next(iter(why.combined)) == one.class_name
    assert list(why.combined.values()) == sorted(why.combined.values(), reverse=True)
    index = evidence.vocabulary.names.index(one.class_name)
    assert why.combined[one.class_name] == evidence.combined[one.proposal, index].item() == pytest.approx(one.score)
    assert why.box == tuple(evidence.boxes[one.proposal])
    assert why.settings["classifiers"][0]["name"] == "retrieval.vote"


def test_the_chosen_class_is_shown_even_where_another_source_ranks_it_last(memory, result):
    names = result.evidence.vocabulary.names
    values = torch.linspace(1, 0, len(names)).repeat(len(result.evidence.combined), 1)
    scores = (replace(result.evidence.scores[0], values=values, knows=torch.arange(len(names)) > 1),)
    one = replace(result.segments[0], class_index=len(names) - 1, class_name=names[-1])
    changed = PanopticSegmentation(result.label_map, (one,))
    why = explain(memory.store, changed, replace(result.evidence, scores=scores), one.id)
    assert list(why.scores["retrieval.vote"]) == [*names[:SHOWN], names[-1]]
    assert why.unknown == {"retrieval.vote": list(names[:2])}


RULES = [
    {"vote": "minmax", "aggregate": "max"},
    {"vote": "minmax", "aggregate": "mean"},
    {"vote": "softmax"},
    {"vote": "rank"},
    {"vote": "rank", "max_distance": 0.2},
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_the_shares_of_the_neighbours_sum_to_the_votes_whose_first_is_the_label(built, scene, rule):
    settings = {
        "store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}, "retrieval": {"k": 12},
        "plugin": {"retrieval": {"vote": rule}},
    }  # fmt: skip
    with retclip.open(built.store, settings=settings) as memory:
        result = memory.segment(scene)
        whys = [result.explain(one) for one in result.segments]
    assert len(whys) > 3
    for why in whys:
        assert why.vote.classifier == "retrieval.vote"
        assert ("none beyond distance 0.2" in why.vote.rule) == ("max_distance" in rule)
        summed = {}
        for near in why.neighbours:
            summed[near.class_then] = summed.get(near.class_then, 0.0) + near.share
        assert summed == pytest.approx(why.votes(), abs=1e-5)
        assert why.votes().items() >= {n: v for n, v in why.scores["retrieval.vote"].items() if n in summed}.items()
        assert list(why.votes().values()) == sorted(why.votes().values(), reverse=True)
        assert why.votes()[why.segment.class_name] == next(iter(why.votes().values()))
        assert sum(why.counts().values()) == len(why.neighbours) == 12
        assert all(near.share == 0 for near in why.neighbours if near.distance > rule.get("max_distance", 2))


def test_two_names_for_one_class_of_the_store_count_its_segments_for_each(memory, scene):
    memory_names = ["sky", "grass", "mountain"]
    twice = Vocabulary((*memory_names, "heaven"), (False,) * 4, ((), (), (), ("sky",)))
    result = memory.segment(scene, twice)
    why = result.explain(next(one for one in result.segments if one.class_name in ("sky", "heaven")))
    counts = why.counts()
    assert counts["sky"] == counts["heaven"] and sum(counts.values()) == len(why.neighbours)
    assert why.votes()["sky"] == why.votes()["heaven"] == 1.0
    assert why.verdict() == f"{why.segment.class_name}, and so says the vote"
    shares = {name: sum(n.share for n in why.neighbours if n.class_then == name) for name in counts}
    assert shares == pytest.approx(why.votes(), abs=1e-5)


def test_where_other_sources_turn_the_vote_the_verdict_says_so(memory, result):
    """The head is sure of another class than the neighbours are."""
    evidence, first = result.evidence, result.segments[0]
    other = next(n for n, name in enumerate(evidence.vocabulary.names) if name != first.class_name)
    name = evidence.vocabulary.names[other]
    values = torch.zeros(len(evidence.combined), len(evidence.vocabulary))
    values[:, other] = 1.0
    head = ClassScores(values, torch.ones(len(evidence.vocabulary)).bool(), Role.CLIP, classifier="a.head")
    turned = replace(first, class_index=other, class_name=name)
    changed = replace(evidence, scores=(*evidence.scores, head), combined=values)
    why = explain(memory.store, PanopticSegmentation(result.label_map, (turned,)), changed, turned.id)
    votes = why.votes()
    assert next(iter(votes)) == first.class_name != name
    said = f"{name}, although the vote says {first.class_name} (1.000 to {votes.get(name, 0):.3f}): a.head decided"
    assert why.verdict() == said


def test_a_classifier_that_does_not_say_its_shares_has_no_vote_but_neighbours(memory, result):
    silent = replace(result.evidence, scores=tuple(replace(one, shares=None) for one in result.evidence.scores))
    why = explain(memory.store, result.panoptic, silent, result.segments[0].id)
    assert (why.vote, why.votes()) == (None, {})
    assert {near.share for near in why.neighbours} == {None}
    assert sum(why.counts().values()) == len(why.neighbours) == 32
    assert why.verdict().endswith("what each neighbour gave is not known")


def test_a_neighbour_that_left_the_store_is_shown_as_gone(memory, result):
    near = result.evidence.neighbours
    ids = near.ids.copy()
    ids[result.segments[0].proposal, 0] = UUID(int=0)
    why = explain(
        memory.store,
        result.panoptic,
        replace(result.evidence, neighbours=replace(near, ids=ids)),
        result.segments[0].id,
    )
    assert why.neighbours[0].id == UUID(int=0)
    assert why.neighbours[0].stored is None
    assert why.neighbours[0].class_then in result.evidence.vocabulary.names
    assert all(one.stored for one in why.neighbours[1:])


def test_stuff_of_many_masks_is_explained_by_its_largest_or_by_the_one_under_a_pixel(built):
    """Superpixels: the sky is made of many, and each has neighbours of its own."""
    settings = {"store": {"index": "resident"}, "components": {"proposer": "reference.superpixels"}}
    with retclip.open(built.store, settings=settings) as plain:
        result = plain.segment(next(plain.source(built.source).images()).load())
        stuff = max((one for one in result.segments if not one.is_thing), key=lambda one: one.area)
        behind, areas = np.unique(result.mask_map[result.label_map == stuff.id], return_counts=True)
        assert len(behind) > 1
        largest = result.explain(stuff)
        assert (largest.mask_area, largest.masks) == (areas.max(), len(behind))
        assert largest.mask == stuff.proposal
        other = int(behind[behind != stuff.proposal][0])
        y, x = np.argwhere(result.mask_map == other)[0].tolist()
        why = result.explain_at(x, y)
    assert (why.segment, why.mask, why.mask_area) == (stuff, other, int((result.mask_map == other).sum()))
    near = result.evidence.neighbours.ids[other]
    assert [one.id for one in why.neighbours] == [one for one in near if one is not None]
    assert why.combined[stuff.class_name] == float(result.evidence.combined[other, stuff.class_index])
    x0, y0, x1, y1 = why.box
    assert x0 <= x < x1 and y0 <= y < y1


def test_without_a_search_there_are_no_neighbours(memory, result):
    why = explain(memory.store, result.panoptic, replace(result.evidence, neighbours=None), result.segments[0].id)
    assert why.neighbours == ()
    assert (why.votes(), why.counts(), why.vote) == ({}, {}, None)
    assert why.verdict().endswith("no stored segment voted")


def test_an_id_that_is_not_there_is_answered_with_those_that_are(memory, result):
    first = result.segments[0]
    with pytest.raises(DataError, match=rf"got 999; choose one of: {first.id} \({first.class_name}\)"):
        result.explain(999)
    empty = PanopticSegmentation(np.zeros((2, 2), np.int32), ())
    with pytest.raises(DataError, match="choose one of: none"):
        explain(memory.store, empty, result.evidence, 1)


def test_a_pixel_names_its_segment_and_its_mask():
    infos, masks = (SegmentInfo(1, "a", True, 1),), np.array([[-1, 7, 9]], np.int32)
    result = PanopticSegmentation(np.array([[0, 1, 2]], np.int32), infos, masks)
    assert [segment_at(result, x, 0) for x in (1, 2)] == [(1, 7), (2, 9)]
    assert segment_at(replace(result, mask_map=None), 1, 0) == (1, None)
    with pytest.raises(DataError, match="no segment covers"):
        segment_at(result, 0, 0)
    for x, y in ((3, 0), (0, 1), (-1, 0), (0, -1)):
        with pytest.raises(DataError, match="inside 3 x 1"):
            segment_at(result, x, y)
