"""Neighbours from the whole store: classes that were not asked take places and widen the min-max, and score nothing."""

import numpy as np
import pytest
import torch

import retclip
from retclip.workflows.explain.evidence_file import load_evidence, save_evidence

K = 6
ASKED = ["sky", "tree"]


def opened(folder, scope, vote="minmax"):
    settings = {
        "store": {"index": "resident"},
        "components": {"proposer": "reference.superpixels"},
        "retrieval": {"k": K, "scope": scope},
        "ensemble": {"renormalise": False},
        "plugin": {"retrieval": {"vote": {"vote": vote}}},
    }
    return retclip.open(folder, settings=settings)


@pytest.mark.parametrize("vote", ["minmax", "rank", "softmax"])
def test_the_asked_classes_score_what_they_would_if_every_class_were_asked(built, scene, vote):
    with opened(built.store, "all", vote) as memory, opened(built.store, "asked", vote) as plain:
        of_all = memory.segment(scene, ASKED).evidence
        every = plain.segment(scene).evidence
    names = every.vocabulary.names
    columns = [names.index(name) for name in ASKED]
    assert len(names) > len(ASKED) and torch.equal(of_all.neighbours.distances, every.neighbours.distances)
    assert torch.allclose(of_all.scores[0].values, every.scores[0].values[:, columns])
    foreign = of_all.neighbours.classes == len(ASKED)
    assert foreign.any() and not foreign.all()
    assert not of_all.scores[0].shares[foreign].any()
    assert of_all.neighbours.supported.shape == (len(ASKED),)


def test_asked_alone_the_nearest_of_them_always_scores_one_and_in_the_whole_store_not(built, scene):
    with opened(built.store, "all") as memory, opened(built.store, "asked") as plain:
        of_all, asked = (each.segment(scene, ASKED).evidence.scores[0].values for each in (memory, plain))
    assert torch.allclose(asked.amax(1), torch.ones(len(asked)))
    assert float(of_all.amax(1).min()) < 0.5, "a mask of another class: its nearest are not asked"


def test_where_every_class_is_asked_nothing_changes(built, scene):
    with opened(built.store, "all") as memory, opened(built.store, "asked") as plain:
        results = [each.segment(scene) for each in (memory, plain)]
    assert np.array_equal(results[0].label_map, results[1].label_map)
    assert torch.equal(results[0].evidence.combined, results[1].evidence.combined)


def test_it_is_explained_and_asked_what_if(built, scene, tmp_path):
    with opened(built.store, "all") as memory:
        result = memory.segment(scene, ASKED)
        segment = max(result.segments, key=lambda one: one.area)
        why = result.explain(segment)
        assert set(why.votes()) <= set(ASKED)
        near = [one for one in why.neighbours if one.class_then == "(not asked)"]
        assert all(one.share == 0.0 and one.stored.class_name not in ASKED for one in near)
        own = [one.id for one in why.neighbours if one.class_then == segment.class_name][:1]
        assert memory.explain(result, segment.id, without=own).what_if.left_out == 1
        save_evidence(tmp_path / "a.evidence.npz", result.panoptic, result.evidence)
        _, again = load_evidence(tmp_path / "a.evidence.npz")
        assert torch.equal(again.neighbours.classes, result.evidence.neighbours.classes)
