"""A tree of masks in the pipeline: what is chosen, what goes along with it, and vectors that add up."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip.algorithms.mask_pooling import area_weights, mask_pooling
from retclip.config import load
from retclip.plugin.contracts import AREAS
from retclip.types import ClassScores, MaskProposals, Neighbours, Role, SegmentFeatures, Vocabulary
from retclip.workflows.explain.evidence_file import load_evidence, save_evidence
from retclip.workflows.explain.explain import explain, segment_at
from retclip.workflows.segment.describe_image import pooled
from retclip.workflows.segment.segment_image import segment_images
from retclip.workflows.segment.tree_cut import Decided, at_best_cut
from retclip.workflows.segment.vocabulary import prepare

NAMES = Vocabulary(("sky", "grass", "car"), (False, False, True))
PARENTS = torch.tensor([2, 2, 4, 4, -1])  # (left of the left half, right of it) -> left half; right half; everything
AGREEING = [[0.6, 0.4, 0.0], [0.7, 0.3, 0.0], [0.1, 0.2, 0.7], [0.0, 0.9, 0.1], [0.0, 0.0, 1.0]]


def tree(image, _=None):
    """The masks of PARENTS on the image's grid."""
    height, width = image.size
    masks = torch.zeros(5, height, width)
    for row, (start, end) in enumerate(
        ((0, width // 4), (width // 4, width // 2), (0, width // 2), (width // 2, width))
    ):
        masks[row, :, start:end] = 1
    masks[4] = 1
    return MaskProposals(masks, torch.ones(5), image.size, parents=PARENTS)


def segmented(kit, image, answer=tree, cost=0.05, own=0.0):
    """With what each mask costs in all: the leaves score 0.775 on average, so that doubt is 0.225."""
    chosen = load(None, {"device": {"name": "cpu"}, "segment": {"mask_cost": cost / 0.225**2, "own_scores": own}})
    parts = kit.parts(kit.StoredNames(), answer, [kit.Classifier(AGREEING)], chosen)
    return segment_images(parts, [image], prepare(parts, NAMES))[0]


def test_parts_that_agree_are_one_segment_and_the_photo_is_not(kit):
    """Halves: 0.5 * 0.65 + 0.5 * 0.9 - 2 cost; everything is 0.625 grass - cost; four quarters cost one mask more."""
    result, evidence = segmented(kit, kit.picture())
    assert [(one.class_name, one.area, one.score) for one in result.segments] == [
        ("sky", 16 * 12, pytest.approx(0.65)),
        ("grass", 16 * 12, pytest.approx(0.9)),
    ]
    assert evidence.boxes.tolist() == [[0, 0, 12, 16], [12, 0, 24, 16]]
    assert evidence.combined.tolist() == [pytest.approx([0.65, 0.35, 0.0]), pytest.approx([0.0, 0.9, 0.1])]
    assert evidence.scores[0].values.tolist() == [pytest.approx(AGREEING[2]), pytest.approx(AGREEING[3])]
    assert sorted(np.unique(result.mask_map).tolist()) == [0, 1]


def test_cost_and_own_scores_decide(kit):
    assert len(segmented(kit, kit.picture(), cost=0.1)[1].combined) == 2  # 0.775 - 0.2 against 0.625 - 0.1
    result, _ = segmented(kit, kit.picture(), cost=0.2)  # 0.775 - 0.4 against 0.625 - 0.2
    assert [(one.class_name, one.score) for one in result.segments] == [("grass", pytest.approx(0.625))]
    (car,) = segmented(kit, kit.picture(), own=1.0)[0].segments
    assert (car.class_name, car.area) == ("car", 16 * 24)


@pytest.mark.parametrize(("power", "chosen"), [(0.0, ["grass"]), (1.0, ["sky", "grass"]), (9.0, ["sky", "grass"])])
def test_the_power_of_doubt_decides(kit, power, chosen):
    """Halves against everything: 0.775 - 2 cost against 0.625 - cost; 0.2 * 0.225 is below the 0.15 that parts them."""
    segment = {"mask_cost": 0.2, "own_scores": 0.0, "doubt_power": power}
    settings = load(None, {"device": {"name": "cpu"}, "segment": segment})
    parts = kit.parts(kit.StoredNames(), tree, [kit.Classifier(AGREEING)], settings)
    result, _ = segment_images(parts, [kit.picture()], prepare(parts, NAMES))[0]
    assert [one.class_name for one in result.segments] == chosen


def test_the_same_masks_without_parents_all_compete(kit):
    flat = segmented(kit, kit.picture(), lambda image, _: replace(tree(image), parents=None))
    assert [one.class_name for one in flat[0].segments] == ["car"] and len(flat[1].combined) == 5


def test_what_was_chosen_is_explained_from_its_file(kit, tmp_path):
    result, evidence = segmented(kit, kit.picture())
    save_evidence(tmp_path / "a.evidence.npz", result, evidence)
    why = explain(None, *load_evidence(tmp_path / "a.evidence.npz"), *segment_at(result, 20, 5))
    assert (why.segment.class_name, why.mask, why.box) == ("grass", 1, (12, 0, 24, 16))
    assert why.scores["stub.table"]["grass"] == pytest.approx(0.9)


def test_everything_that_belongs_to_a_mask_goes_along():
    count, generator = 5, torch.Generator().manual_seed(0)
    values = torch.rand(count, 3, generator=generator)
    ids = np.array([[f"{n}{k}" for k in range(2)] for n in range(count)], dtype=object)
    near = Neighbours(ids, torch.arange(10).reshape(5, 2) % 3, torch.rand(5, 2), torch.ones(3, dtype=torch.bool))
    said = ClassScores(
        values, torch.ones(3, dtype=torch.bool), Role.RETRIEVAL, void=torch.rand(5), speaks=torch.arange(5) % 2 == 0,
        shares=torch.rand(5, 2), certainty=torch.rand(5), shrinkage=torch.rand(5, 3),
    )  # fmt: skip
    masks = torch.zeros(5, 1, 4)
    masks[0, 0, 0] = masks[1, 0, 1] = masks[2, 0, :2] = masks[3, 0, 2:] = masks[4] = 1
    scores = MaskProposals(masks, torch.ones(5), (1, 4), detector_scores=torch.rand(5), parents=PARENTS)
    combined = torch.tensor([[0.9, 0, 0], [0, 0.9, 0], [0, 0, 0.1], [0, 0.9, 0], [0, 0, 0.1]])
    found = at_best_cut(Decided(scores, near, (said,), combined, torch.arange(5.0)), PARENTS, 0.0, 0.01)
    chosen = [0, 1, 3]
    assert found.proposals.parents is None and torch.equal(found.proposals.masks, masks[chosen])
    assert found.void.tolist() == chosen and torch.equal(found.combined, combined[chosen])
    assert found.neighbours is not None and found.neighbours.ids.tolist() == ids[chosen].tolist()
    assert torch.equal(found.neighbours.distances, near.distances[chosen])
    for name in ("values", "void", "speaks", "shares", "certainty", "shrinkage"):
        assert torch.equal(getattr(found.scores[0], name), getattr(said, name)[chosen])


class ByArea:
    """A backbone of mean colours that is asked for weights, and remembers how."""

    def __init__(self, stub):
        self.space, self.dense_features, self.asked = stub.space, stub.dense_features, []

    def segment_vectors(self, features, masks, logits=None):
        self.asked.append("masks")
        return self.vectors(features, area_weights(masks, features.grid.shape[1:], features.extent))

    def weighted_vectors(self, features, weights):
        self.asked.append("weights")
        return self.vectors(features, weights)

    def vectors(self, features, weights):
        means, covered = mask_pooling(features.grid, weights)
        return SegmentFeatures(torch.nn.functional.normalize(means, dim=-1), covered, self.space)


def test_vectors_of_summed_weights_are_those_of_each_mask(kit):
    image = kit.picture()
    backbone = ByArea(kit.Backbone())
    (features,) = backbone.dense_features([image])
    features = replace(features, grid=torch.nn.functional.adaptive_avg_pool2d(features.grid, (5, 7)))
    alone = pooled(kit.loaded("stub.colour", backbone), image, features, tree(image))
    summed = pooled(kit.loaded("stub.colour", backbone, provides={AREAS}), image, features, tree(image))
    assert backbone.asked == ["masks", "weights"]
    assert torch.allclose(summed.vectors, alone.vectors, atol=1e-5) and torch.equal(summed.covered, alone.covered)
    flat = replace(tree(image), parents=None)
    pooled(kit.loaded("stub.colour", backbone, provides={AREAS}), image, features, flat)
    assert backbone.asked[-1] == "masks"


def test_what_is_no_object_is_parted_from_what_is():
    """One name was asked, and a quarter of the photo is it: by names alone the photo would be one mask of little."""
    combined = torch.tensor([[0.9], [0.05], [0.475], [0.05], [0.2625]])  # of the quarters, halves and the photo
    void = 1 - combined[:, 0]
    masks = torch.zeros(5, 1, 8)
    for row, (start, end) in enumerate(((0, 2), (2, 4), (0, 4), (4, 8), (0, 8))):
        masks[row, :, start:end] = 1
    proposals = MaskProposals(masks, torch.ones(5), (1, 8), parents=PARENTS)
    decided = at_best_cut(Decided(proposals, None, (), combined, void), PARENTS, own=0.1, cost=0.04)
    assert decided.proposals.masks[:, 0].argmax(dim=1).tolist() == [0, 2, 4]
    assert decided.combined[:, 0].tolist() == pytest.approx([0.9, 0.05, 0.05])
    assert decided.void.tolist() == pytest.approx([0.1, 0.95, 0.95])


def test_of_a_semantic_map_every_mask_up_to_the_chosen_one_speaks():
    """One mask is worth it, of the first class; the half of it that is of the second keeps that in the semantic map."""
    combined = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1], [0.9, 0.1], [0.9, 0.0]])
    masks = torch.zeros(5, 1, 8)
    for row, (start, end) in enumerate(((0, 6), (6, 7), (0, 7), (7, 8), (0, 8))):
        masks[row, :, start:end] = 1
    proposals = MaskProposals(masks, torch.ones(5), (1, 8), parents=PARENTS)
    cut = at_best_cut(Decided(proposals, None, (), combined, torch.zeros(5)), PARENTS, own=0.1, cost=4.0)
    assert len(cut.proposals) == 1 and int(cut.combined.argmax()) == 0
    of_pixels, scores = cut.semantic_scores()
    assert torch.equal(of_pixels.masks, masks[[0, 1, 3]])
    expected = [[(0.9 + 0.9 + 0.9) / 3, 0.2 / 3], [2.0 / 3, 0.9 / 3], [0.9, 0.05]]
    assert torch.allclose(scores, torch.tensor(expected))


def test_masks_of_no_tree_make_a_semantic_map_themselves():
    proposals = MaskProposals(torch.ones(1, 2, 2), torch.ones(1), (2, 2))
    combined = torch.tensor([[0.3, 0.6]])
    assert Decided(proposals, None, (), combined, torch.zeros(1)).semantic_scores() == (proposals, combined)
