"""Neighbours from the whole store: classes that were not asked take places and widen the min-max, and score nothing; or
they compete as one class more, and what that wins stays without a label."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import retclip
from retclip.types import REST, Negatives, Neighbours
from retclip.workflows.explain.evidence_file import load_evidence, save_evidence
from retclip.workflows.segment.neighbours import as_one_class

K = 6
ASKED = ["sky", "tree"]


def opened(folder, scope, vote="minmax", unasked="left out"):
    settings = {
        "store": {"index": "resident"},
        "components": {"proposer": "reference.superpixels"},
        "retrieval": {"k": K, "scope": scope},
        "ensemble": {"renormalise": False},
        "segment": {"unasked": unasked},
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
        assert near and [one.label for one in near] == [f"{one.stored.class_name} (not asked)" for one in near]
        assert {one.renamed for one in near} == {None}  # nobody gave it another label since
        own = [one.id for one in why.neighbours if one.class_then == segment.class_name][:1]
        assert memory.explain(result, segment.id, without=own).what_if.left_out == 1
        save_evidence(tmp_path / "a.evidence.npz", result.panoptic, result.evidence)
        _, again = load_evidence(tmp_path / "a.evidence.npz")
        assert torch.equal(again.neighbours.classes, result.evidence.neighbours.classes)


def test_classes_become_one_and_those_behind_move_up():
    negatives = Negatives(np.array(["a", "b", "c"], dtype=object), torch.tensor([1, 3, 5]), torch.rand(1, 3))
    near = Neighbours(
        np.full((1, 6), "x", dtype=object), torch.tensor([[5, 0, 2, 3, 4, -1]]), torch.rand(1, 6),
        torch.tensor([True, False, False, True, True, False]), negatives,
    )  # fmt: skip
    found = as_one_class(near, 2, 2)
    assert found.classes.tolist() == [[4, 0, 2, 2, 3, -1]]
    assert found.of_rest.tolist() == [[-1, -1, 0, 1, -1, -1]], "two classes of the rest"
    assert as_one_class(near, 2, 2, per_class=True).of_rest is None
    assert found.supported.tolist() == [True, False, True, True, False]
    assert found.negatives.classes.tolist() == [1, 4] and found.negatives.ids.tolist() == ["a", "c"]
    assert as_one_class(replace(near, negatives=None), 2, 2).negatives is None


@pytest.mark.parametrize("vote", ["minmax", "rank", "softmax"])
def test_the_rest_scores_what_its_best_class_would_if_every_class_were_asked(built, scene, vote, tmp_path):
    with opened(built.store, "all", vote) as plain:
        every = plain.segment(scene).evidence
    with opened(built.store, "all", vote, "compete") as memory:
        result = memory.segment(scene, ASKED)
    found, names = result.evidence, every.vocabulary.names
    rest = [column for column, name in enumerate(names) if name not in ASKED]
    assert len(rest) > 1 and torch.equal(found.neighbours.distances, every.neighbours.distances)
    assert torch.allclose(found.scores[0].values[:, -1], every.scores[0].values[:, rest].amax(1))
    voting = torch.where(found.neighbours.classes == len(ASKED), found.scores[0].shares, torch.zeros(1)).sum(1)
    assert torch.allclose(voting, found.scores[0].values[:, -1]), "who did not make the score has no share"
    assert found.scores[0].rule.endswith("of what was not asked for the best class")
    save_evidence(tmp_path / "a.evidence.npz", result.panoptic, found)
    _, again = load_evidence(tmp_path / "a.evidence.npz")
    assert torch.equal(again.neighbours.of_rest, found.neighbours.of_rest)
    assert torch.equal(again.inputs.beyond.of_rest, found.inputs.beyond.of_rest)


def test_what_the_rest_wins_stays_without_a_label(built, scene, tmp_path):
    settings = {"store": {"index": "resident"}, "components": {"proposer": "reference.superpixels"}}
    with retclip.open(built.store, settings={**settings, "segment": {"unasked": "left out"}}) as memory:
        every, forced = memory.segment(scene), memory.segment(scene, ASKED)
    with retclip.open(built.store, settings={**settings, "segment": {"unasked": "compete"}}) as memory:
        result = memory.segment(scene, ASKED)
        name_of = {0: None} | {segment.id: segment.class_name for segment in every.segments}
        wanted = np.vectorize(lambda number: name_of[number] in ASKED)(every.label_map)
        assert (forced.label_map > 0).mean() > 0.9 > wanted.mean() > 0.1, "two names are forced on everything"
        labelled = result.label_map > 0
        assert not (labelled & ~wanted).any(), "what another class of the store wins has no label"
        assert labelled.sum() > 0.8 * wanted.sum()
        assert {segment.class_name for segment in result.segments} <= set(ASKED)
        assert result.evidence.vocabulary.names == (*ASKED, REST)
        largest = max(result.segments, key=lambda segment: segment.area)
        why = result.explain(largest)
        own = [near.id for near in why.neighbours if near.class_then == largest.class_name][:1]
        assert memory.explain(result, largest.id, without=own).what_if.left_out == 1
        result.save(tmp_path)
        save_evidence(tmp_path / "a.evidence.npz", result.panoptic, result.evidence)
        _, again = load_evidence(tmp_path / "a.evidence.npz")
        assert again.vocabulary.has_rest and torch.equal(again.combined, result.evidence.combined)
        assert REST not in (tmp_path / "panoptic.json").read_text()
        assert memory.segment(scene).evidence.vocabulary.asked == len(every.evidence.vocabulary), "nothing is left"
