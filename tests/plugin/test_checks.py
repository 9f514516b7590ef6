"""What the core refuses from a plugin, and that the refusal names the component."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip.errors import ContractBroken
from retclip.plugin.checks import checked_proposals, checked_scores, checked_segments
from retclip.types import ClassScores, FeatureSpace, Image, MaskProposals, Role, SegmentFeatures, Vocabulary

NAN = float("nan")
IMAGE = Image(np.zeros((4, 6, 3), np.uint8), "0" * 64)
PROPOSALS = MaskProposals(torch.tensor([[[0.0, 1.0]], [[0.5, 0.5]]]), torch.tensor([0.0, 1.0]), (4, 6), ("cat", None))
SPACE = FeatureSpace("test.backbone", "none", "none", "area-1", 2)
SEGMENTS = SegmentFeatures(torch.tensor([[0.6, 0.8], [NAN, 7.0]]), torch.tensor([True, False]), SPACE)
WORDS = Vocabulary(("a", "b", "c"), (True, True, False))
SCORES = ClassScores(torch.tensor([[0.0, 1.0, 0.5]] * 2), torch.tensor([True, False, True]), Role.CLIP, torch.ones(2))


def refused(check, *arguments):
    """What the check says; it must name the component twice, once in what to do."""
    with pytest.raises(ContractBroken) as caught:
        check(*arguments, "bad.plugin")
    assert "from bad.plugin" in caught.value.expected
    assert "retclip plugins check bad.plugin" in caught.value.todo
    return str(caught.value)


def test_good_answers_pass_as_they_are():
    (found,) = checked_proposals([PROPOSALS], [IMAGE], "good.plugin")
    assert found is PROPOSALS
    assert checked_segments(SEGMENTS, 2, "good.plugin") is SEGMENTS, "an uncovered row may hold anything"
    assert checked_scores(SCORES, 2, WORDS, "good.plugin") is SCORES


def test_no_mask_is_a_good_answer():
    none = MaskProposals(torch.zeros(0, 4, 6), torch.zeros(0), (4, 6))
    assert checked_proposals((none,), (IMAGE,), "good.plugin") == [none]
    nothing = SegmentFeatures(torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool), SPACE)
    assert checked_segments(nothing, 0, "good.plugin") is nothing
    all_lost = replace(SEGMENTS, covered=torch.tensor([False, False]))
    assert checked_segments(all_lost, 2, "good.plugin") is all_lost
    silent = ClassScores(torch.zeros(0, 3), torch.ones(3, dtype=torch.bool), Role.CLIP)
    assert checked_scores(silent, 0, WORDS, "good.plugin") is silent


def test_an_answer_for_each_image():
    assert "2 answers, one per image" in refused(checked_proposals, [PROPOSALS], [IMAGE, IMAGE])
    assert "got 2" in refused(checked_proposals, [PROPOSALS, PROPOSALS], [IMAGE])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"masks": torch.zeros(2, 4)}, r"masks with axes (n y x)"),
        ({"masks": torch.full((2, 1, 2), 1.5)}, "masks with finite values in [0, 1]"),
        ({"masks": torch.full((2, 1, 2), -3.0)}, "values in [-3, -3]"),  # logits, the usual mistake
        ({"masks": torch.full((2, 1, 2), NAN)}, "masks with finite values"),
        ({"objectness": torch.zeros(3)}, "objectness with axes (n) where n is 2"),
        ({"objectness": torch.tensor([0.5, NAN])}, "objectness with finite values"),
        ({"image_size": (6, 4)}, "image_size (4, 6) from bad.plugin; got (6, 4)"),
        ({"prompts": ("cat",)}, "2 prompts from bad.plugin; got 1"),
    ],
)
def test_bad_proposals(change, says):
    assert says in refused(checked_proposals, [PROPOSALS, replace(PROPOSALS, **change)], [IMAGE, IMAGE])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vectors": torch.ones(3, 2)}, "n is 2"),
        ({"vectors": torch.ones(2, 3)}, "d is 2"),  # of another space than it says
        ({"vectors": torch.tensor([[0.6, 0.9], [1.0, 0.0]])}, "vectors of length 1"),
        ({"vectors": torch.tensor([[NAN, 0.8], [1.0, 0.0]])}, "finite vectors of length 1"),
        ({"vectors": torch.zeros(2, 2)}, "lengths 0 to 0"),
        ({"covered": torch.tensor([True])}, "covered with axes (n)"),
        ({"covered": torch.tensor([1, 1])}, "covered of dtype bool"),  # as numbers these would be rows
    ],
)
def test_bad_segments(change, says):
    assert says in refused(checked_segments, replace(SEGMENTS, **change), 2)


def test_half_precision_is_near_enough_to_length_one():
    vectors = torch.nn.functional.normalize(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), dim=-1)
    rough = SegmentFeatures(vectors.bfloat16().float(), torch.ones(50, dtype=torch.bool), SPACE)
    assert checked_segments(rough, 50, "good.plugin") is rough
    refused(checked_segments, replace(rough, vectors=vectors * 1.02), 50)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"values": torch.ones(1, 3)}, "n is 2"),
        ({"values": torch.ones(2, 4)}, "c is 3"),  # a background column that was not cut off
        ({"values": torch.full((2, 3), 1.1)}, "values in [1.1, 1.1]"),
        ({"values": torch.full((2, 3), NAN)}, "values with finite values"),
        ({"knows": torch.ones(2, dtype=torch.bool)}, "knows with axes (c) where c is 3"),
        ({"knows": torch.ones(3)}, "knows of dtype bool"),
        ({"void": torch.ones(3)}, "void with axes (n) where n is 2"),
        ({"void": torch.tensor([0.5, -0.5])}, "void with finite values"),
    ],
)
def test_bad_scores(change, says):
    assert says in refused(checked_scores, replace(SCORES, **change), 2, WORDS)


def test_a_sum_of_shares_may_pass_one_by_rounding():
    barely = replace(SCORES, values=torch.full((2, 3), 1.0 + 1e-6))
    assert checked_scores(barely, 2, WORDS, "good.plugin") is barely
