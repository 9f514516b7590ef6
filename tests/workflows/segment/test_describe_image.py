"""Masks and vectors of one image: features are computed once and shared, and no plugin's answer is believed unseen."""

import pytest
import torch

from retclip.errors import ContractBroken
from retclip.types import MaskProposals, SegmentFeatures, Vocabulary
from retclip.workflows.segment.describe_image import proposals_of, vectors_of

WORDS = Vocabulary(("sky", "grass"), (False, False))


def test_the_proposer_is_given_the_backbones_features_and_the_vocabulary(kit, monkeypatch):
    seen = []

    class Watching:
        def propose(self, images, vocabulary, features):
            seen.append((images, vocabulary, features))
            return [MaskProposals(torch.ones(1, 1, 1), torch.ones(1), images[0].size)]

    parts, image = kit.parts(None), kit.picture()
    monkeypatch.setattr(kit.Proposer, "propose", Watching.propose)
    ((features, proposals),) = proposals_of(parts, [image], WORDS)
    assert seen == [([image], WORDS, [features])]
    assert len(proposals) == 1 and features.space == parts.backbone.component.space


def test_no_gradients_are_kept(kit):
    parts, image = kit.parts(None), kit.picture()
    ((features, proposals),) = proposals_of(parts, [image], WORDS)
    assert vectors_of(parts, image, features, proposals).vectors.is_inference()


@pytest.mark.parametrize(
    "answer",
    [
        lambda image, _: MaskProposals(torch.full((1, 2, 2), 1.5), torch.ones(1), image.size),
        lambda image, _: MaskProposals(torch.ones(1, 2, 2), torch.ones(2), image.size),
        lambda image, _: MaskProposals(torch.ones(1, 2, 2), torch.ones(1), (1, 1)),
    ],
)
def test_broken_masks_are_refused_by_name(kit, answer):
    with pytest.raises(ContractBroken, match=r"stub\.masks"):
        proposals_of(kit.parts(None, answer), [kit.picture()], WORDS)


def test_broken_vectors_are_refused_by_name(kit, monkeypatch):
    parts, image = kit.parts(None), kit.picture()
    ((features, proposals),) = proposals_of(parts, [image], WORDS)
    wrong = SegmentFeatures(torch.ones(2, 3), torch.ones(2, dtype=torch.bool), parts.backbone.component.space)
    monkeypatch.setattr(kit.Backbone, "segment_vectors", lambda *_: wrong)
    with pytest.raises(ContractBroken, match=r"length 1 from stub\.colour"):
        vectors_of(parts, image, features, proposals)
