"""Probabilities worked out by hand from vectors of two channels, asked of the classifier as a workflow asks it."""

from math import exp

import pytest
import torch
from retclip_zero_shot import ClipTextSettings
from retclip_zero_shot.clip_text import ClipText

from retclip.errors import ConfigError
from retclip.types import Device, FeatureSpace, MaskProposals, Role, SegmentFeatures, Vocabulary

EAST, NORTH, BETWEEN = [1.0, 0.0], [0.0, 1.0], [0.6, 0.8]


def words(*rows, names=("a", "b"), synonyms=(), text=True):
    table = torch.tensor(rows) if text else None
    return Vocabulary(names, (True,) * len(names), synonyms, table)


def score(vectors, vocabulary, scale=1.0, covered=None):
    count = len(vectors)
    flags = torch.tensor(covered if covered is not None else [True] * count, dtype=torch.bool)
    space = FeatureSpace("test.blind", "none", "none", "none", 2)
    segments = SegmentFeatures(torch.tensor(vectors).reshape(count, 2), flags, space)
    proposals = MaskProposals(torch.ones(count, 1, 1), torch.ones(count), (4, 4))
    return ClipText(ClipTextSettings(scale=scale), Device()).score(proposals, segments, vocabulary, None)


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_a_softmax_over_the_cosines(scale):
    found = score([EAST, BETWEEN], words(EAST, NORTH), scale)
    east = exp(scale) / (exp(scale) + 1)  # cosines 1 and 0
    between = exp(0.6 * scale) / (exp(0.6 * scale) + exp(0.8 * scale))
    assert found.values.tolist() == [pytest.approx([east, 1 - east]), pytest.approx([between, 1 - between])]
    assert found.role is Role.CLIP
    assert found.classifier == "zero_shot.clip_text"
    assert found.void is None


def test_the_default_scale_is_a_hundred():
    assert ClipTextSettings().scale == 100
    found = score([BETWEEN], words([0.6, 0.8], [0.8, 0.6]), ClipTextSettings().scale)
    assert found.values[0, 1] == pytest.approx(1 / (1 + exp(100 * (1 - 0.96))), rel=1e-3)


def test_a_class_is_as_near_as_its_best_term():
    """b has a synonym in between, 0.6 from EAST; its own name is at a right angle. Their mean would be 0.3."""
    found = score([EAST], words(EAST, NORTH, BETWEEN, synonyms=((), ("between",))))
    wanted = 1 / (1 + exp(0.6 - 1))
    assert found.values.tolist() == [pytest.approx([wanted, 1 - wanted])]


def test_terms_belong_to_the_class_that_lists_them():
    """The same three rows, but now the middle one is a synonym of a."""
    found = score([NORTH], words(EAST, NORTH, BETWEEN, synonyms=(("north",), ())))
    wanted = 1 / (1 + exp(0.8 - 1))
    assert found.values.tolist() == [pytest.approx([wanted, 1 - wanted])]


def test_a_negative_cosine_is_no_zero():
    found = score([EAST], words([-1.0, 0.0], NORTH), scale=2.0)
    assert found.values[0, 0] == pytest.approx(exp(-2) / (exp(-2) + 1))


def test_an_uncovered_mask_has_no_score():
    found = score([EAST, EAST], words(EAST, NORTH), covered=[False, True])
    assert found.values[0].tolist() == [0, 0]
    assert found.values[1].sum() == pytest.approx(1)


def test_text_of_another_precision_is_taken_as_it_is_needed():
    vocabulary = Vocabulary(("a", "b"), (True, True), (), torch.tensor([EAST, NORTH], dtype=torch.float64))
    found = score([EAST], vocabulary)
    assert found.values.dtype == torch.float32
    assert found.values[0, 0] == pytest.approx(exp(1) / (exp(1) + 1))


def test_it_knows_every_class_and_answers_for_no_mask_too():
    found = score([], words(EAST, NORTH))
    assert found.values.shape == (0, 2)
    assert found.knows.tolist() == [True, True]


def test_one_class_alone_is_always_certain():
    assert score([NORTH], words(EAST, names=("a",))).values.tolist() == [[1.0]]


def test_without_text_it_cannot_answer_and_names_the_backbone():
    with pytest.raises(ConfigError, match=r"zero_shot\.clip_text.*backbone 'test\.blind' has no text tower"):
        score([EAST], words(text=False))
