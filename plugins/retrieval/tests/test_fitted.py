"""The layer of a photo, asked as a workflow asks it: who teaches it, what it answers, what each segment did."""

from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest
import torch
from retclip_retrieval import FittedSettings
from retclip_retrieval.fitted import Fitted

import retclip
from retclip.errors import ConfigError, DataError
from retclip.types import Device, FeatureSpace, MaskProposals, Negatives, Neighbours, Role, SegmentFeatures, Vocabulary
from retclip.workflows.explain.evidence_file import load_evidence, save_evidence

A, B, C = (UUID(int=number) for number in (1, 2, 3))
WORDS = Vocabulary(("cat", "dog"), (True, True), text=torch.eye(2))
SPACE = FeatureSpace("test", "none", "none", "none", 2)
MASKS = SegmentFeatures(torch.tensor([[1.0, 0.0], [0.6, 0.8]]), torch.tensor([True, False]), SPACE)


def near(ids, classes, **given):
    places = np.array(ids, dtype=object).reshape(2, -1)
    stored = {A: np.array([1.0, 0.0], np.float32), B: np.array([0.0, 1.0], np.float32)}
    distances = torch.full(places.shape, 0.1)
    return Neighbours(places, torch.tensor(classes), distances, torch.tensor([True, True]), vectors=stored, **given)


def score(neighbours, words=WORDS, segments=MASKS, **given):
    proposals = MaskProposals(torch.ones(2, 1, 1), torch.ones(2), (4, 4))
    return Fitted(FittedSettings(**given), Device()).score(proposals, segments, words, neighbours)


def test_a_segment_that_was_retrieved_twice_teaches_once_and_its_effect_is_what_is_lost_without_it():
    found = score(near([A, None, A, None], [[0, -1], [0, -1]]), temperature=0.1)
    # by hand (`tests/algorithms/test_image_fusion.py`): W v = (0.5, 0) for v = (1, 0); without the segment (0.4, 0)
    with_it, without = (torch.softmax(torch.tensor([w, 0.0]) / 0.1, dim=0) for w in (0.5, 0.4))
    assert torch.allclose(found.values[0], with_it, atol=1e-5) and not found.values[1].any()
    assert found.effects.tolist() == [[pytest.approx(float(with_it[0] - without[0]), abs=1e-5), 0.0], [0.0, 0.0]]
    assert found.role is Role.RETRIEVAL and found.knows.all() and found.speaks.tolist() == [True, False]


def test_who_does_not_teach():
    alone = score(near([None, None, None, None], [[-1, -1], [-1, -1]])).values
    assert torch.equal(score(near([B, None, None, None], [[2, -1], [-1, -1]])).values, alone), "a class not asked for"
    assert torch.equal(score(near([C, None, None, None], [[0, -1], [-1, -1]])).values, alone), "one without a vector"
    further = near([B, A, None, None], [[1, 0], [-1, -1]])
    assert torch.equal(score(further, nearest=1).values, score(near([B, None, None, None], [[1, -1], [-1, -1]])).values)
    negatives = Negatives(np.array([C], dtype=object), torch.tensor([0]), torch.full((2, 1), 0.05))
    barred = near([A, None, A, None], [[0, -1], [0, -1]], negatives=negatives)
    assert torch.equal(score(barred).values, alone), "a negative example is nearer"


def test_what_it_needs_is_said():
    with pytest.raises(ConfigError, match=r"neighbours with their vectors for classifier 'retrieval\.fitted'"):
        score(replace(near([A, None, None, None], [[0, -1], [-1, -1]]), vectors=None))
    with pytest.raises(ConfigError, match="neighbours with their vectors"):
        score(None)
    with pytest.raises(ConfigError, match="text vectors for classifier"):
        score(near([A, None, None, None], [[0, -1], [-1, -1]]), replace(WORDS, text=None))
    other = replace(MASKS, vectors=torch.eye(3)[:2])
    with pytest.raises(ConfigError, match="stored vectors of the space of the names"):
        score(near([A, None, None, None], [[0, -1], [-1, -1]]), replace(WORDS, text=torch.eye(3)[:2]), other)


def test_in_a_photo_it_is_the_same_every_time_and_an_explanation_has_the_effects(tmp_path):
    pytest.importorskip("retclip_miniature", reason="needs plugins/miniature")
    scenes = f"miniature.scenes:{tmp_path / 'scenes'}?things=bear&things=cat"
    names = ("retrieval.fitted", "zero_shot.clip_text", "mask2former.in_vocabulary")
    with retclip.open(tmp_path / "store", create=True, preset="miniature") as memory:
        memory.build(f"{scenes}&split=store&count=6")
    settings = {"components": {"classifiers": names}}
    with retclip.open(tmp_path / "store", preset="miniature", settings=settings) as memory:
        photos = [record.load() for record in memory.source(f"{scenes}&split=val&count=4").images()]
        first = next(result for result in memory.segment(photos) if result.segments)
        second = memory.segment(first.image)
        assert torch.equal(first.evidence.combined, second.evidence.combined)
        why = first.explain(first.segments[0])
        assert any(neighbour.effect for neighbour in why.neighbours)
        assert all(neighbour.share is None for neighbour in why.neighbours) and why.margin is None
        with pytest.raises(DataError, match="vote by their neighbours alone"):
            memory.explain(first, first.segments[0].id, without=[why.neighbours[0].id])
        save = tmp_path / "photo.evidence.npz"
        save_evidence(save, first.panoptic, first.evidence)
        _, kept = load_evidence(save)
        assert torch.equal(kept.scores[0].effects, first.evidence.scores[0].effects)
