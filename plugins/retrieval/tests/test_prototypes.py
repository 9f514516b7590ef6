"""Prototypes, asked as a workflow asks them: what they score, what an explanation says, when a correction is seen."""

from uuid import UUID

import numpy as np
import pytest
import torch
from retclip_retrieval import PrototypesSettings
from retclip_retrieval.prototypes import Prototypes

import retclip
from retclip.errors import ConfigError, DataError
from retclip.types import (
    ClassPrototypes,
    Device,
    FeatureSpace,
    MaskProposals,
    Neighbours,
    Role,
    SegmentFeatures,
    Vocabulary,
)
from retclip.workflows.explain.evidence_file import save_evidence

WORDS = Vocabulary(("cat", "dog", "cow"), (True, True, True))
SPACE = FeatureSpace("test", "none", "none", "none", 2)
MASKS = SegmentFeatures(torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([True, False]), SPACE)


def near(distances, classes):
    owners = torch.tensor(classes, dtype=torch.int64)
    members = np.full((len(classes), 1), UUID(int=1), dtype=object)
    places = np.full((2, 0), None, dtype=object), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(2, 0)
    found = ClassPrototypes(owners, torch.ones_like(owners), members, torch.tensor(distances).reshape(2, len(classes)))
    return Neighbours(*places, torch.tensor([True, True, True]), prototypes=found)


def score(neighbours, **given):
    proposals = MaskProposals(torch.ones(2, 1, 1), torch.ones(2), (4, 4))
    return Prototypes(PrototypesSettings(**given), Device()).score(proposals, MASKS, WORDS, neighbours)


def test_a_class_scores_by_its_nearest_prototype_by_hand():
    found = score(near([[0.5, 0.0, 0.9], [torch.inf] * 3], [0, 0, 1]), temperature=0.9)
    # cosines 1 and 0.1 over 0.9 are 1.111 and 0.111: 1 / (1 + e^-1) = 0.7311
    assert found.values.tolist() == [[pytest.approx(0.7311, abs=1e-4), pytest.approx(0.2689, abs=1e-4), 0.0], [0.0] * 3]
    assert found.role is Role.RETRIEVAL and found.speaks.tolist() == [True, False]
    assert found.knows.tolist() == [True, True, False], "no prototype of a cow"


def test_without_any_prototype_it_abstains_and_without_a_store_it_says_so():
    found = score(near([], []))
    assert not found.knows.any() and not found.speaks.any() and not found.values.any()
    with pytest.raises(ConfigError, match=r"prototypes of stored classes for classifier 'retrieval\.prototypes'"):
        score(None)
    assert Prototypes(PrototypesSettings(per_class=3), Device()).prototypes_per_class == 3


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A small store of drawn scenes, and the address of further ones."""
    pytest.importorskip("retclip_miniature", reason="needs plugins/miniature")
    folder = tmp_path_factory.mktemp("prototypes")
    scenes = f"miniature.scenes:{folder / 'scenes'}?things=bear&things=cat"
    with retclip.open(folder / "store", create=True, preset="miniature") as memory:
        memory.build(f"{scenes}&split=store&count=6")
    return folder / "store", scenes


def opened(store, *classifiers, **settings):
    names = (*classifiers, "zero_shot.clip_text", "mask2former.in_vocabulary")
    asked = {
        "components": {"classifiers": names},
        "plugin": {"retrieval": {"prototypes": {"per_class": 2}}},
        **settings,
    }
    return retclip.open(store[0], preset="miniature", settings=asked)


def first_result(memory, scenes):
    photos = [record.load() for record in memory.source(f"{scenes}&split=val&count=4").images()]
    return next(result for result in memory.segment(photos) if result.segments)


def test_an_explanation_names_the_prototype_and_the_segments_that_it_is_made_of(store, tmp_path):
    with opened(store, "retrieval.prototypes") as memory:
        result = first_result(memory, store[1])
        segment = result.segments[0]
        why = result.explain(segment)
        nearest = why.prototypes[0]
        values = result.evidence.scores[0].values[segment.proposal]
        assert nearest.class_name == result.evidence.vocabulary.names[int(values.argmax())]
        assert segment.class_name in {each.class_name for each in why.prototypes}
        assert [each.distance for each in why.prototypes] == sorted(each.distance for each in why.prototypes)
        assert all(1 <= each.number <= each.of <= 2 for each in why.prototypes)
        for each in why.prototypes:
            assert len(each.members) == min(each.size, 8)
            assert {member.stored.class_name for member in each.members} == {each.class_name}
        assert why.as_dict()["prototypes"][0]["members"][0]["id"] == nearest.members[0].id
        same = nearest.class_name == segment.class_name
        wanted = "its prototype is the nearest" if same else f"a prototype of {nearest.class_name} is nearer"
        assert wanted in why.verdict()
        save_evidence(tmp_path / "photo.evidence.npz", result.panoptic, result.evidence)
        again = memory.explain(tmp_path / "photo.evidence.npz", segment.id)
        assert again.prototypes == why.prototypes


def test_no_answer_without_stored_segments_is_made_up(store, tmp_path):
    with opened(store, "retrieval.vote", "retrieval.prototypes") as memory:
        result = first_result(memory, store[1])
        segment = result.segments[0]
        why = result.explain(segment)
        assert why.margin is None and why.votes(), "the vote alone does not decide"
        save_evidence(tmp_path / "photo.evidence.npz", result.panoptic, result.evidence)
        for target in (result, tmp_path / "photo.evidence.npz"):
            with pytest.raises(DataError, match="vote by their neighbours alone") as caught:
                memory.explain(target, segment.id, without=[why.neighbours[0].id])
            assert "retrieval.prototypes" in caught.value.got and "quarantine them" in caught.value.todo


def test_a_correction_is_seen_by_the_next_question_and_a_photo_computes_nothing(store, monkeypatch):
    from retclip.store.segments import stored_prototypes

    computed, whole = [], stored_prototypes.StoredPrototypes._computed
    monkeypatch.setattr(
        stored_prototypes.StoredPrototypes, "_computed",
        lambda self, category, *rest: (computed.append(category), whole(self, category, *rest))[1],
    )  # fmt: skip
    with opened(store, "retrieval.prototypes") as memory:
        names = memory.prepare(None)
        photo = first_result(memory, store[1]).image
        first = memory.segment(photo, names).evidence
        times = len(computed)
        memory.segment([photo, photo], names)
        assert len(computed) == times > 0
        prototypes = first.neighbours.prototypes
        place = int(prototypes.sizes.argmax())
        edit = memory.quarantine([prototypes.members[place][0]])
        after = memory.segment(photo, names).evidence.neighbours.prototypes
        assert len(computed) == times + 1
        owner = prototypes.classes[place]
        both = [each.sizes[each.classes == owner].sum() for each in (prototypes, after)]
        assert both[0] == both[1] + 1
        memory.undo(edit.event)
        assert torch.equal(memory.segment(photo, names).evidence.combined, first.combined)


def test_the_prototypes_of_what_is_not_asked_compete_as_one_class(store):
    with opened(store, "retrieval.prototypes") as memory:
        result = memory.segment(first_result(memory, store[1]).image, ["bear"])
        found = result.evidence.neighbours.prototypes
        assert result.evidence.vocabulary.names[-1] == "(not asked)"
        assert set(found.classes.tolist()) == {0, 1} and (found.classes == 1).sum() > 2
        assert result.evidence.scores[0].values.sum(1).tolist() == pytest.approx([1.0] * len(found.distances), abs=1e-4)


def test_doubted_labels_are_no_setting_of_prototypes(store):
    with opened(store, "retrieval.prototypes", retrieval={"min_trust": 0.4}) as memory:
        photo = next(iter(memory.source(f"{store[1]}&split=val&count=1").images())).load()
        with pytest.raises(ConfigError, match=r"retrieval\.min_trust = 0\.4"):
            memory.segment(photo)
