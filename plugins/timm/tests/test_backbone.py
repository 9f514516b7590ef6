"""The stages side by side: a hand-worked mask, the contract, photos of one size together."""

import pytest
import torch
from pydantic import ValidationError
from retclip_timm import LITE0, Lite0Settings
from retclip_timm.backbone import StageBackbone
from retclip_timm.lite0 import head_of, lite0
from retclip_timm.network import Stages, network

from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager
from retclip.types import Device


class Nested(torch.nn.Module):
    """Two stages of known numbers: strides 1 and 2 of the input's first colour."""

    def forward_intermediates(self, values, **_):
        fine = torch.cat([values[:, :1], torch.ones_like(values[:, :1])], dim=1)  # (b, 2, H, W)
        return [fine, torch.nn.functional.avg_pool2d(values[:, :1], 2)]  # (b, 1, H / 2, W / 2)


def nested(short_side=2):
    stages = Stages(Nested(), "nested", (0, 1), (1, 2), (2, 1), (0.0,) * 3, (1 / 255,) * 3, "a" * 64)
    return StageBackbone("timm.nested", stages, short_side, 2 * short_side, Device())


def test_a_mask_s_vector_by_hand(photo):
    """A photo of 2 x 2 with reds r. The mask covers the left column: stage 1 gives (mean of its reds, 1), stage 2 the
    mean of all four reds, whose unit is 1; the whole has length sqrt(2)."""
    image = photo(2, 2)
    red = torch.from_numpy(image.pixels[:, :, 0]).float()
    backbone = nested()
    features = backbone.dense_features([image])[0]
    masks = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    found = backbone.segment_vectors(features, masks)
    left = torch.tensor([float(red[:, 0].mean()), 1.0])
    wanted = torch.cat([left / left.norm(), torch.ones(1)]) / 2**0.5
    assert torch.allclose(found.vectors[0], wanted, atol=1e-5)
    assert found.covered.tolist() == [True, False]


def test_a_coarse_stage_repeated_averages_as_on_its_own_grid(photo):
    backbone, image = nested(4), photo(4, 8)
    features = backbone.dense_features([image])[0]
    mask = torch.zeros(1, 4, 8)
    mask[0, 1:3, 1:6] = 1
    own = torch.nn.functional.avg_pool2d(torch.from_numpy(image.pixels[:, :, 0]).float()[None, None], 2)[0, 0]
    shares = torch.nn.functional.avg_pool2d(mask, 2)[0]
    weights = torch.nn.functional.interpolate(mask[None], (4, 8))[0, 0]
    assert float((features.grid[2] * weights).sum() / weights.sum()) == pytest.approx(
        float((own * shares).sum() / shares.sum())
    )


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("timm.lite0", {"short_side": 64, "long_side": 128}),
        ("timm.lite0", {"short_side": 64, "long_side": 128, "finer_side": 96}),
        ("timm.model", {"architecture": "resnet10t", "short_side": 64, "long_side": 128}),
        ("timm.model", {"architecture": "vit_tiny_patch16_224", "short_side": 64, "long_side": 128}),
    ],
)
def test_the_contract_is_kept(name, settings):
    found = check_component(PluginManager.discover().find("backbone", name), settings)
    assert [one for one in found if one.ok is False] == []
    assert sum(one.ok is True for one in found) >= 8


def test_another_size_stride_or_network_is_another_space():
    def space(short_side=64, architecture="resnet10t", strides=(16, 32)):
        return StageBackbone("timm.model", network(architecture, "random", strides), short_side, 128, Device()).space.id

    assert len({space(), space(96), space(strides=(32,)), space(architecture="convnext_atto")}) == 4


def test_photos_of_one_size_go_through_the_network_together(photo):
    images = [photo(64, 96, 0), photo(96, 64, 1), photo(64, 96, 2)]
    backbone = StageBackbone("timm.model", network("resnet10t", "random", (16, 32)), 64, 128, Device(batch_size=4))
    seen = []
    backbone.stages.model.conv1.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape)))
    with torch.inference_mode():
        together = backbone.dense_features(images)
        alone = [backbone.dense_features([image])[0] for image in images]
    assert seen[:2] == [(2, 3, 64, 96), (1, 3, 96, 64)]
    assert all(torch.allclose(a.grid, b.grid, atol=1e-4) for a, b in zip(together, alone, strict=True))
    assert together[0].grid.shape == (768, 4, 6) and together[0].stride == 16


@pytest.mark.parametrize("side", [-1, 1, 31])
def test_a_finer_side_below_a_cell_is_refused(side):
    with pytest.raises(ValidationError, match="finer_side"):
        Lite0Settings(finer_side=side)


def test_finer_stages_are_of_a_larger_photo_and_the_last_with_its_labels_is_not(photo):
    """The last stage has 2 x 3 cells, the finer one 8 x 12 at twice the side; the second mask is one of the former."""
    network, image = lite0(LITE0.name), photo(64, 96)
    masks = torch.zeros(2, 64, 96)
    masks[0, 10:50, 5:70], masks[1, :32, :32] = 1, 1
    head, device = head_of(network), Device()
    sides = ((64, 0), (128, 0), (64, 128))
    small, large, both = (StageBackbone("timm.lite0", network, s, 2 * s, device, head, finer) for s, finer in sides)
    with torch.inference_mode():
        found, coarse, fine = (
            backbone.segment_vectors(backbone.dense_features([image])[0], masks) for backbone in (both, small, large)
        )
        grid = both.dense_features([image])[0].grid
    first, last = found.vectors.split((112, 320), dim=1)
    assert torch.allclose(first, fine.vectors[:, :112], atol=1e-5)
    assert torch.allclose(last, coarse.vectors[:, 112:], atol=1e-5)
    assert torch.allclose(found.label_logits.segments, coarse.label_logits.segments, atol=1e-4)
    assert torch.allclose(found.label_logits.image, coarse.label_logits.image, atol=1e-4)
    assert grid.shape == (432, 8, 12) and len({both.space.id, small.space.id, large.space.id}) == 3
    deep = grid[112:, :, 0]  # (320, 8) from 2 cells: one up to its centre, the other from its centre on
    assert torch.equal(deep[:, 0], deep[:, 1]) and not torch.allclose(deep[:, 0], deep[:, 7])
    assert torch.allclose(deep[:, 3] + deep[:, 4], deep[:, 0] + deep[:, 7], atol=1e-5)
