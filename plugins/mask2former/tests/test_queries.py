"""Masks over shared feature maps: frames, order, batches, and features that this head was not made for."""

import numpy as np
import pytest
import torch

from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.errors import ConfigError
from retclip.plugin.checks import checked_proposals
from retclip.plugin.manager import PluginManager
from retclip.types import Device, Image, Vocabulary

TEXT = torch.nn.functional.normalize(torch.randn(3, 12, generator=torch.Generator().manual_seed(1)), dim=-1)
WORDS = Vocabulary(("sky", "car"), (False, True), ((), ("cars",)), TEXT)


def image(height=64, width=96):
    return Image(np.zeros((height, width, 3), dtype=np.uint8), "0" * 64)


@pytest.fixture
def proposer(saved):
    return PluginManager.discover().load("proposer", "mask2former.queries", {"weights": str(saved)}, Device())


def propose(proposer, images, vocabulary, features):
    with torch.inference_mode():
        return checked_proposals(proposer.propose(images, vocabulary, features), images, "mask2former.queries")


def test_a_query_is_a_mask_with_its_logits_and_its_embedding(proposer, head, features):
    (found,) = propose(proposer, [image()], WORDS, [features()])
    with torch.inference_mode():
        said = head({name: level[None] for name, level in features().levels.items()})
    assert found.masks.shape == (6, 16, 24)
    assert found.embeddings.shape == (6, 12)
    order = [int((said.embeddings[-1][0] - row).abs().sum(1).argmin()) for row in found.embeddings]
    assert sorted(order) == list(range(6))
    assert torch.allclose(found.logits.values, said.masks[-1][0][order])
    assert torch.allclose(found.masks, found.logits.values.sigmoid(), atol=1e-5)  # no padding: the same grid


def test_objectness_is_what_is_left_beside_no_object_and_the_best_come_first(proposer, head, features):
    (found,) = propose(proposer, [image()], WORDS, [features()])
    unit = torch.nn.functional.normalize(found.embeddings, dim=-1)
    void = torch.nn.functional.normalize(head.void, dim=-1)
    with torch.inference_mode():
        cosines = torch.cat((unit @ TEXT.T, unit @ void.T), dim=1)  # sky, car, cars, void
        logits = torch.stack((cosines[:, 0], cosines[:, 1:3].amax(1), cosines[:, 3]), dim=1) * head.scale
    assert torch.allclose(found.objectness, 1 - logits.softmax(1)[:, 2], atol=1e-5)
    assert (found.objectness.diff() <= 0).all()


def test_without_text_every_mask_is_an_object(proposer, features):
    (found,) = propose(proposer, [image()], Vocabulary(("sky",), (False,)), [features()])
    assert found.objectness.tolist() == [1.0] * 6


def test_padding_is_no_part_of_the_masks(proposer, features):
    """A photo of 33 x 80 on a frame of 64 x 96: the masks' grid covers 33 x 80, in quarter pixels rounded up."""
    (found,) = propose(proposer, [image(66, 160)], WORDS, [features((33 / 64, 80 / 96), (66, 160))])
    assert (found.logits.frame, found.logits.inner) == ((64, 96), (33, 80))
    assert found.masks.shape == (6, 9, 20)
    full = pixel_probabilities(found.logits, torch.arange(6), (66, 160))
    coarse = torch.nn.functional.interpolate(full[None], size=(9, 20), mode="area")[0]
    assert (coarse - found.masks).abs().mean() < 0.05


def test_alone_as_in_a_batch(proposer, features):
    several = [features(seed=0), features((0.5, 1.0), (32, 96), seed=1)]
    images = [image(), image(32, 96)]
    together = propose(proposer, images, WORDS, several)
    for one, photo, alone in zip(together, images, several, strict=True):
        (found,) = propose(proposer, [photo], WORDS, [alone])
        assert torch.allclose(one.masks, found.masks, atol=1e-4)


def test_features_of_another_backbone_are_refused(proposer, features):
    with pytest.raises(ConfigError, match=r"\(8, 8, 16, 24\).*\(8, 8, 16, 32\) from tests\.clip"):
        propose(proposer, [image()], WORDS, [features(channels=(8, 8, 16, 32))])
    bare = features()
    bare = type(bare)(bare.grid, bare.space, bare.image_size)
    with pytest.raises(ConfigError, match=r"\(0, 0, 0, 0\)"):
        propose(proposer, [image()], WORDS, [bare])


def test_no_images_no_answers(proposer):
    assert propose(proposer, [], WORDS, []) == []


def test_the_head_stays_float32_in_mixed_precision_unless_it_follows_the_device(saved, features):
    def masks(precision, dtype):
        settings = {"weights": str(saved), "precision": precision}
        loaded = PluginManager.discover().load("proposer", "mask2former.queries", settings, Device(dtype=dtype))
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            (proposals,) = propose(loaded, [image()], WORDS, [features()])
        return proposals.embeddings, proposals.logits.values

    exact = masks("float32", "float32")
    assert all(torch.equal(*pair) for pair in zip(masks("float32", "bfloat16"), exact, strict=True))
    assert all(torch.equal(*pair) for pair in zip(masks("device", "float32"), exact, strict=True))
    rounded = masks("device", "bfloat16")
    assert rounded[0].dtype == rounded[1].dtype == torch.float32
    assert not torch.equal(rounded[1], exact[1])
    assert torch.nn.functional.cosine_similarity(rounded[0], exact[0]).min() > 0.99
