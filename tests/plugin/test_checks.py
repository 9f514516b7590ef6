"""What the core refuses from a plugin, and that the refusal names the component."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip.errors import ContractBroken
from retclip.plugin.checks import (
    checked_features,
    checked_proposals,
    checked_scores,
    checked_segments,
    checked_text,
)
from retclip.types import (
    ClassScores,
    DenseFeatures,
    FeatureSpace,
    Image,
    LabelLogits,
    MaskLogits,
    MaskMap,
    MaskProposals,
    Neighbours,
    Role,
    SegmentFeatures,
    Vocabulary,
)

NAN = float("nan")
IMAGE = Image(np.zeros((4, 6, 3), np.uint8), "0" * 64)
PROPOSALS = MaskProposals(torch.tensor([[[0.0, 1.0]], [[0.5, 0.5]]]), torch.tensor([0.0, 1.0]), (4, 6), ("cat", None))
SPACE = FeatureSpace("test.backbone", "none", "none", "area-1", 2)
SEGMENTS = SegmentFeatures(torch.tensor([[0.6, 0.8], [NAN, 7.0]]), torch.tensor([True, False]), SPACE)
WORDS = Vocabulary(("a", "b", "c"), (True, True, False))
SCORES = ClassScores(torch.tensor([[0.0, 1.0, 0.5]] * 2), torch.tensor([True, False, True]), Role.CLIP, torch.ones(2))


def refused(check, *arguments, **more):
    """What the check says; it must name the component twice, once in what to do."""
    with pytest.raises(ContractBroken) as caught:
        check(*arguments, "bad.plugin", **more)
    assert "from bad.plugin" in caught.value.expected
    assert "retclip plugins check bad.plugin" in caught.value.todo
    return str(caught.value)


def test_good_answers_pass_as_they_are():
    (found,) = checked_proposals([PROPOSALS], [IMAGE], "good.plugin")
    assert found is PROPOSALS
    scored = replace(PROPOSALS, detector_scores=torch.tensor([0.0, 1.0]), mask_scores=torch.tensor([1.0, 0.5]))
    assert checked_proposals([scored], [IMAGE], "good.plugin") == [scored]
    segments = checked_segments(SEGMENTS, 2, SPACE, "good.plugin")
    assert segments.vectors.isnan().any() and same(segments, SEGMENTS), "an uncovered row may hold anything"
    assert same(checked_scores(SCORES, 2, WORDS, "good.plugin"), SCORES)


def same(one, other):
    """Field by field; what came as float32 and in range is not changed."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__]
    return all(
        torch.equal(a.nan_to_num(7), b.nan_to_num(7)) and a.dtype == b.dtype if torch.is_tensor(a) else a == b
        for a, b in pairs
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_answers_come_back_in_float32_whatever_a_model_works_in(dtype):
    segments = checked_segments(replace(SEGMENTS, vectors=SEGMENTS.vectors.to(dtype)), 2, SPACE, "good.plugin")
    scores = replace(SCORES, values=SCORES.values.to(dtype), void=SCORES.void.to(dtype))
    found = checked_scores(scores, 2, WORDS, "good.plugin")
    assert {segments.vectors.dtype, found.values.dtype, found.void.dtype} == {torch.float32}
    assert checked_text(torch.eye(2, dtype=dtype), 2, SPACE, "good.plugin").dtype == torch.float32


def test_text_vectors_are_checked_too():
    assert checked_text(None, 3, SPACE, "good.plugin") is None
    assert "r is 3" in refused(checked_text, torch.eye(2), 3, SPACE)
    assert "length 1" in refused(checked_text, 2 * torch.eye(2), 2, SPACE)
    assert "length 1" in refused(checked_text, torch.full((2, 2), NAN), 2, SPACE)


def test_masks_need_a_grid_even_where_there_are_none():
    for shape in ((0, 0, 0), (0, 4, 0), (2, 0, 3)):
        bad = MaskProposals(torch.zeros(shape), torch.zeros(shape[0]), (4, 6))
        assert "above 0" in refused(checked_proposals, [bad], [IMAGE])


def test_no_mask_is_a_good_answer():
    none = MaskProposals(torch.zeros(0, 4, 6), torch.zeros(0), (4, 6))
    assert checked_proposals((none,), (IMAGE,), "good.plugin") == [none]
    nothing = SegmentFeatures(torch.zeros(0, 2), torch.zeros(0, dtype=torch.bool), SPACE)
    assert same(checked_segments(nothing, 0, SPACE, "good.plugin"), nothing)
    all_lost = replace(SEGMENTS, covered=torch.tensor([False, False]))
    assert same(checked_segments(all_lost, 2, SPACE, "good.plugin"), all_lost)
    silent = ClassScores(torch.zeros(0, 3), torch.ones(3, dtype=torch.bool), Role.CLIP)
    assert same(checked_scores(silent, 0, WORDS, "good.plugin"), silent)


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
        ({"detector_scores": torch.zeros(3)}, "detector_scores with axes (n) where n is 2"),
        ({"detector_scores": torch.tensor([0.5, NAN])}, "detector_scores with finite values"),
        ({"mask_scores": torch.zeros(2, 1)}, "mask_scores with axes (n)"),
        ({"mask_scores": torch.tensor([0.5, 1.2])}, "mask_scores with finite values in [0, 1]"),
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
    assert says in refused(checked_segments, replace(SEGMENTS, **change), 2, SPACE)


def test_half_precision_is_near_enough_to_length_one():
    vectors = torch.nn.functional.normalize(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)), dim=-1)
    rough = SegmentFeatures(vectors.bfloat16().float(), torch.ones(50, dtype=torch.bool), SPACE)
    assert same(checked_segments(rough, 50, SPACE, "good.plugin"), rough)
    refused(checked_segments, replace(rough, vectors=vectors * 1.02), 50, SPACE)


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
        ({"speaks": torch.ones(3, dtype=torch.bool)}, "speaks with axes (n) where n is 2"),
        ({"speaks": torch.ones(2)}, "speaks of dtype bool"),
    ],
)
def test_bad_scores(change, says):
    assert says in refused(checked_scores, replace(SCORES, **change), 2, WORDS)


NEAR = Neighbours(
    np.full((2, 3), None), torch.tensor([[0, 1, 1], [2, -1, -1]]), torch.zeros(2, 3), torch.ones(3).bool()
)
SHARES = torch.tensor([[0.0, 0.75, 0.25], [0.5, 0.0, 0.0]])  # of SCORES' row (0, 1, 0.5): 0.5 of class 2 is not there
VOTED = replace(SCORES, values=torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.5]]), shares=SHARES, rule="by hand")


def test_shares_that_sum_to_their_classes_are_taken():
    found = checked_scores(VOTED, 2, WORDS, "good.plugin", NEAR)
    assert found.shares.tolist() == SHARES.tolist() and found.rule == "by hand"
    rough = replace(VOTED, shares=SHARES.bfloat16())
    assert checked_scores(rough, 2, WORDS, "good.plugin", NEAR).shares.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"shares": torch.ones(2, 2)}, "shares with axes (n k) where k is 3"),
        ({"shares": torch.ones(1, 3)}, "shares with axes (n k) where n is 2"),
        ({"shares": SHARES * 3}, "shares with finite values"),
        ({"shares": SHARES * 0.9}, "shares that sum to their class's value"),
        ({"shares": torch.tensor([[0.0, 0.75, 0.25], [0.0, 0.5, 0.0]])}, "shares that sum to their class's value"),
        ({"shares": torch.tensor([[0.0, 0.75, 0.25], [0.5, 0.5, 0.0]])}, "shares that sum to their class's value"),
    ],
)
def test_bad_shares(change, says):
    assert says in refused(checked_scores, replace(VOTED, **change), 2, WORDS, neighbours=NEAR)


def test_shares_of_no_neighbours():
    assert "no shares where there are no neighbours" in refused(checked_scores, VOTED, 2, WORDS)
    silent = ClassScores(torch.zeros(0, 3), torch.ones(3).bool(), Role.RETRIEVAL, shares=torch.zeros(0, 5))
    none = Neighbours(np.full((0, 5), None), torch.zeros(0, 5).long(), torch.zeros(0, 5), torch.ones(3).bool())
    assert checked_scores(silent, 0, WORDS, "good.plugin", none).shares.shape == (0, 5)


def test_a_sum_of_shares_may_pass_one_by_rounding():
    barely = replace(SCORES, values=torch.full((2, 3), 1.0 + 1e-6))
    assert checked_scores(barely, 2, WORDS, "good.plugin").values.tolist() == [[1.0] * 3] * 2
    below = replace(SCORES, values=torch.full((2, 3), -1e-7))
    assert checked_scores(below, 2, WORDS, "good.plugin").values.tolist() == [[0.0] * 3] * 2, "it has a logarithm"


def test_dense_features_are_one_per_image_of_its_size_and_in_the_backbone_s_space():
    space = FeatureSpace("a.b", "none", "none", "none", 2)
    image = Image(np.zeros((4, 6, 3), np.uint8), "0" * 64)
    good = DenseFeatures(torch.zeros(2, 1, 1), space, (4, 6))
    assert checked_features([good], [image], space, "a.b") == [good]
    other = FeatureSpace("a.b", "others", "none", "none", 2)
    for found, wanted in (
        ([], "1 answers, one per image"),
        ([DenseFeatures(torch.zeros(2, 1, 1), space, (6, 4))], r"image_size \(4, 6\)"),
        ([DenseFeatures(torch.zeros(2, 1, 1), other, (4, 6))], "its space"),
    ):
        with pytest.raises(ContractBroken, match=wanted):
            checked_features(found, [image], space, "a.b")


def listed(found):
    yield from found


NOT_ANSWERS = {
    "None": (lambda _: None, "got None"),
    "a generator": (listed, "got a generator"),
    "a tensor": (lambda _: torch.ones(1, 4, 6), "got a torch.Tensor"),
    "an array": (lambda _: np.ones((1, 4, 6)), "got a numpy.ndarray"),
    "a dict": (lambda found: dict(enumerate(found)), "got a dict"),
    "None inside": (lambda _: [None], "got None"),
    "an array inside": (lambda _: [np.ones((1, 4, 6))], "got a numpy.ndarray"),
    "another kind inside": (lambda _: [SCORES], "got a retclip.scores.ClassScores"),
}


@pytest.mark.parametrize("answer", NOT_ANSWERS)
def test_what_is_no_answer_is_told_for_what_it_is(answer):
    change, says = NOT_ANSWERS[answer]
    assert says in refused(checked_proposals, change([PROPOSALS]), [IMAGE])
    dense = DenseFeatures(torch.zeros(2, 1, 1), SPACE, (4, 6))
    assert says in refused(checked_features, change([dense]), [IMAGE], SPACE)
    alone = change([SEGMENTS]) if "inside" not in answer else change([SEGMENTS])[0]
    assert says in refused(checked_segments, alone, 2, SPACE)
    if answer != "another kind inside":
        assert says in refused(checked_scores, alone, 2, WORDS)
    if answer not in ("None", "None inside", "a tensor", "another kind inside"):
        assert says in refused(checked_text, alone, 3, SPACE)


LOGITS = MaskLogits(torch.zeros(2, 4, 4), (16, 16), (16, 12))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"masks": np.zeros((2, 1, 2))}, "masks, a torch tensor from bad.plugin; got a numpy.ndarray"),
        ({"masks": None}, "masks, a torch tensor from bad.plugin; got None"),
        (
            {"masks": torch.zeros(2, 1, 2, dtype=torch.uint8)},
            "masks in floating point",
        ),
        ({"objectness": [1.0, 0.5]}, "objectness, a torch tensor from bad.plugin; got a list"),
        ({"objectness": None}, "objectness, a torch tensor"),
        ({"image_size": None}, "of the form that its contract states"),
        ({"prompts": "sky"}, "2 prompts from bad.plugin; got a str"),
        ({"prompts": (1, None)}, "prompts that are names or None from bad.plugin; got a int"),
        ({"embeddings": torch.zeros(3, 5)}, "embeddings with axes (n e) where n is 2"),
        ({"logits": torch.zeros(2, 4, 4)}, "logits of type MaskLogits"),
        ({"logits": replace(LOGITS, values=torch.zeros(1, 4, 4))}, "logits of 2 masks from bad.plugin; got of 1"),
        ({"logits": replace(LOGITS, values=torch.full((2, 4, 4), NAN))}, "finite logits"),
        ({"logits": replace(LOGITS, inner=(17, 12))}, "inside their frame"),
        ({"logits": replace(LOGITS, inner=None)}, "of the form that its contract states"),
    ],
)
def test_proposals_of_other_forms(change, says):
    assert says in refused(checked_proposals, [replace(PROPOSALS, **change)], [IMAGE])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grid": np.zeros((2, 1, 1))}, "grid, a torch tensor"),
        ({"grid": torch.zeros(2, 1)}, "grid with axes (d h w)"),
        ({"grid": torch.zeros(2, 1, 1, dtype=torch.int64)}, "grid in floating point"),
        ({"levels": {"res2": torch.zeros(1, 2, 1, 1)}}, "res2 with axes (d h w)"),
        ({"levels": None}, "of the form that its contract states"),
        ({"extent": (1.0, 0.0)}, "two shares in (0, 1]"),
        ({"space": None}, "of the form that its contract states"),
    ],
)
def test_dense_features_of_other_forms(change, says):
    dense = DenseFeatures(torch.zeros(2, 1, 1), SPACE, (4, 6))
    assert says in refused(checked_features, [replace(dense, **change)], [IMAGE], SPACE)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vectors": np.ones((2, 2))}, "vectors, a torch tensor"),
        ({"vectors": torch.ones(2, 2, dtype=torch.int32)}, "vectors in floating point"),
        ({"covered": np.ones(2, bool)}, "covered, a torch tensor"),
        ({"covered": None}, "covered, a torch tensor from bad.plugin; got None"),
        ({"space": replace(SPACE, dim=3), "vectors": torch.eye(3)[:2]}, "vectors of its space"),  # of another dimension
    ],
)
def test_segments_of_other_forms(change, says):
    assert says in refused(checked_segments, replace(SEGMENTS, **change), 2, SPACE)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"values": np.ones((2, 3))}, "values, a torch tensor"),
        ({"values": torch.ones(2, 3, dtype=torch.int64)}, "values in floating point"),
        ({"knows": None}, "knows, a torch tensor from bad.plugin; got None"),
        ({"knows": [True] * 3}, "knows, a torch tensor from bad.plugin; got a list"),
        ({"void": 0.5}, "void, a torch tensor from bad.plugin; got a float"),
        ({"role": "clip"}, "its role of type Role from bad.plugin; got a str"),
    ],
)
def test_scores_of_other_forms(change, says):
    assert says in refused(checked_scores, replace(SCORES, **change), 2, WORDS)


def test_a_grid_has_as_many_channels_for_every_image():
    apart = [DenseFeatures(torch.zeros(channels, 2, 3), SPACE, (4, 6)) for channels in (2, 1)]
    assert "d is 2" in refused(checked_features, apart, [IMAGE, IMAGE], SPACE)


def test_label_logits_are_checked_too():
    logits = LabelLogits("three", torch.zeros(2, 3), torch.zeros(3))
    assert same(checked_segments(replace(SEGMENTS, label_logits=logits), 2, SPACE, "x.y").label_logits, logits)
    for change, says in (
        ({"segments": torch.zeros(1, 3)}, "label_logits.segments"),
        ({"image": torch.zeros(4)}, "label_logits.image"),
        ({"segments": torch.full((2, 3), torch.nan)}, "label_logits"),
    ):
        with pytest.raises(ContractBroken, match=says):
            checked_segments(replace(SEGMENTS, label_logits=replace(logits, **change)), 2, SPACE, "x.y")
    with pytest.raises(ContractBroken, match="LabelLogits"):
        checked_segments(replace(SEGMENTS, label_logits=torch.zeros(2, 3)), 2, SPACE, "x.y")


def test_a_map_of_masks_is_checked_as_a_map():
    owners = torch.tensor([[0, 0, 2], [-1, 1, 1]])
    good = MaskProposals(MaskMap(owners, 3), torch.ones(3), (4, 6), parents=torch.tensor([-1, -1, -1]))
    assert checked_proposals([good], [IMAGE], "good.plugin") == [good]
    wrong = {
        "int64": MaskMap(owners.int(), 3), "axes (y x)": MaskMap(owners[0], 3), "[-1, 1]": MaskMap(owners, 2),
        "a torch tensor": MaskMap(owners.numpy(), 3), "y and x above 0": MaskMap(owners[:0], 3),
    }  # fmt: skip
    for what, masks in wrong.items():
        proposals = MaskProposals(masks, torch.ones(masks.count), (4, 6))
        assert what in refused(checked_proposals, [proposals], [IMAGE]), what
    fewer = good.replaced(objectness=torch.ones(2), parents=None)
    assert "n is 3" in refused(checked_proposals, [fewer], [IMAGE])
    parent = good.replaced(parents=torch.tensor([2, 2, -1]))
    assert "cells of 2, which has some" in refused(checked_proposals, [parent], [IMAGE])
