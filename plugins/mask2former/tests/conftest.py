"""A small random mask head, saved as the plugin saves one."""

import pytest
import torch
from retclip_mask2former.checkpoint import save_head
from retclip_mask2former.head import HeadShape, MaskHead

from retclip.types import DenseFeatures, FeatureSpace

SHAPE = HeadShape(
    channels=(8, 8, 16, 24), queries=6, feature=32, mask=32, hidden=32, embed=12, heads=8, encoder_layers=1,
    encoder_feedforward=16, decoder_layers=3, feedforward=16,
)  # fmt: skip
SPACE = FeatureSpace("tests.clip", "none", "none", "none", 12)


@pytest.fixture
def head():
    torch.manual_seed(3)
    return MaskHead(SHAPE).eval()


@pytest.fixture
def saved(head, tmp_path):
    path = tmp_path / "head.safetensors"
    save_head(head, path, ["sky", "car", "cars"])
    return path


@pytest.fixture
def features():
    """Features of an image on a frame of 64 x 96 of which a share is photo."""

    def of(extent=(1.0, 1.0), image_size=(64, 96), seed=0, channels=SHAPE.channels):
        generator = torch.Generator().manual_seed(seed)
        levels = {
            f"res{n + 2}": torch.randn(count, 64 // 4 // 2**n, 96 // 4 // 2**n, generator=generator)
            for n, count in enumerate(channels)
        }
        return DenseFeatures(levels["res5"], SPACE, image_size, 32.0, levels, extent)

    return of
