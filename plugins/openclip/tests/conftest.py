"""Small random CLIP models of the three families, through the component's own settings."""

import json

import pytest

from retclip.plugin.manager import PluginManager
from retclip.types import Device

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
VISION = {
    "vit": {"image_size": 32, "layers": 3, "width": 32, "head_width": 8, "patch_size": 8},
    "convnext": {
        "timm_model_name": "convnext_of_the_tests",
        "timm_model_kwargs": {"depths": [1, 1, 1, 1], "dims": [8, 8, 16, 24]},
        "timm_pool": "",
        "timm_proj": "mlp",
        "timm_drop": 0.0,
        "timm_drop_path": 0.1,
        "image_size": 64,
    },
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32, "patch_size": None},
}
SIDES = {"vit": 32, "convnext": 64, "resnet": 64}


@pytest.fixture
def given(tmp_path):
    """The settings of a small model."""

    def settings(family, **more):
        config = {"embed_dim": 12, "vision_cfg": VISION[family], "text_cfg": TEXT}
        path = tmp_path / f"{family}.json"
        path.write_text(json.dumps(config))
        sides = {"short_side": SIDES[family], "long_side": 4 * SIDES[family]}
        base = {"model": family, "config": str(path), "pretrained": "random"}
        return {**base, **sides, **more}

    return settings


@pytest.fixture
def built(given, tmp_path):
    """The backbone of a small model; its cache lies in the test's own folder."""

    def backbone(family, **more):
        manager = PluginManager.discover(cache=tmp_path / "cache")
        return manager.load("backbone", "openclip.model", given(family, **more), Device())

    return backbone
