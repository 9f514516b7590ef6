"""The two components of a training, guarded: a photo costs itself, a wrong answer is told for whose it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip.errors import ContractBroken, DataError
from retclip.types import DenseFeatures, Device, FeatureSpace, Image
from retclip.workflows.segment.parts import Loaded
from retclip.workflows.training.training_calls import batch_of, checked_losses
from retclip.workflows.training.training_data import Sample

SPACE = FeatureSpace("tests", "none", "none", "none", 3)
SAMPLES = [
    Sample(Image(np.zeros((4, 4, 3), np.uint8), "0" * 64, f"{name}.png"), None, external_id=name) for name in "abc"
]


class Backbone:
    """The number of a call as the answer; raises on the photos that are named."""

    space = SPACE

    def __init__(self, *bad):
        self.bad, self.asked = [f"{name}.png" for name in bad], []

    def dense_features(self, images):
        self.asked.append([image.uri for image in images])
        for image in images:
            if image.uri in self.bad:
                raise KeyError(image.uri)
        return [DenseFeatures(torch.ones(3, 2, 2), SPACE, image.size) for image in images]


def loaded(backbone):
    return Loaded("tests.backbone", "", backbone, Device(), {}, frozenset(), frozenset())


def test_a_batch_that_is_read_is_asked_for_once():
    backbone = Backbone()
    batch = batch_of(loaded(backbone), SAMPLES, Device())
    assert backbone.asked == [["a.png", "b.png", "c.png"]]
    assert [sample.external_id for sample in batch.samples] == ["a", "b", "c"] and len(batch.features) == 3
    assert list(batch.failures) == []


def test_each_sample_is_tried_alone_before_one_is_blamed():
    batch = batch_of(loaded(Backbone("b")), SAMPLES, Device())
    assert [sample.external_id for sample in batch.samples] == ["a", "c"] and len(batch.features) == 2
    (failure,) = batch.failures
    assert (failure.external_id, failure.uri) == ("b", "b.png")
    assert "tests.backbone to work on b.png; got KeyError: 'b.png'" in failure.reason


@pytest.mark.parametrize("samples", [SAMPLES, SAMPLES[:1]], ids=["all", "the only one"])
def test_a_batch_of_which_nothing_is_left_is_an_error(samples):
    with pytest.raises(DataError, match=r"tests\.backbone"):
        batch_of(loaded(Backbone("a", "b", "c")), samples, Device())


def test_features_in_another_form_are_the_backbone_s_fault():
    class Wrong(Backbone):
        def dense_features(self, images):
            return [replace(one, grid=one.grid.numpy()) for one in super().dense_features(images)]

    with pytest.raises(ContractBroken, match=r"tests\.backbone.*numpy"):
        batch_of(loaded(Wrong()), SAMPLES, Device())


def test_losses_are_handed_through_as_they_are():
    losses = {"class": torch.tensor(1.5, requires_grad=True), "size": torch.tensor(0.5)}
    assert checked_losses("tests.head", 1, lambda: losses) is losses
