"""Features, text and pooled vectors against what the original FC-CLIP computed with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from retclip.plugin.manager import PluginManager
from retclip.types import Device, Image, MaskLogits

PARITY = Path(__file__).parents[3].parent / "shared" / "data" / "fcclip_parity"
pytestmark = pytest.mark.skipif(not PARITY.is_dir(), reason="the reference fixtures in ../shared are not here")


@pytest.fixture(params=["convnext", "resnet"])
def reference(request, tmp_path):
    folder = PARITY / request.param
    config = json.loads((folder / "config.json").read_text())
    architecture = config["open_clip_model_config"]
    if config["convnext_trunk"]:
        shape = {key: config["convnext_trunk"][key] for key in ("depths", "dims")}
        architecture["vision_cfg"]["timm_model_kwargs"] = shape
    path = tmp_path / "model.json"
    path.write_text(json.dumps(architecture))
    settings = {
        "model": config["clip_model_name"],
        "config": str(path),
        "pretrained": str(folder / "state.safetensors"),
        "pooling": "fcclip",
        "short_side": min(config["net_hw"]),
        "long_side": 2560,
    }
    backbone = PluginManager.discover().load("backbone", "openclip.model", settings, Device())
    image = Image(np.load(folder / "image.npy"), "0" * 64)
    return backbone, image, config, lambda name: load_file(folder / f"{name}.safetensors")


def close(found, wanted, share=1e-5):
    torch.testing.assert_close(found, wanted, atol=share * float(wanted.abs().max()), rtol=0)


def test_the_input_and_every_level_agree(reference):
    backbone, image, _, load = reference
    close(backbone._input(image)[0], load("input")["normalised_padded"][0])
    numbers = load("backbone")
    with torch.inference_mode():
        features = backbone.dense_features([image])[0]
    for level in ("res2", "res3", "res4", "res5"):
        close(features.levels[level], numbers[f"backbone.{level}"][0])
    close(features.grid, numbers["backbone.clip_vis_dense"][0])


def test_the_text_classifier_agrees(reference):
    backbone, _, config, load = reference
    names = [name for one in config["test_vocabulary"] for name in one["names"].replace(", ", ",").split(",")]
    with torch.inference_mode():
        close(backbone.text_vectors(names), load("text")["test.classifier"])


def test_the_pooled_vectors_agree_where_a_mask_meets_a_cell(reference):
    backbone, image, config, load = reference
    logits = load("decoder")["dec.layer_masks.4"][0]
    masks = MaskLogits(logits, tuple(config["padded_hw"]), tuple(config["net_hw"]))
    numbers = load("classification")
    with torch.inference_mode():
        features = backbone.dense_features([image])[0]
        found = backbone.segment_vectors(features, logits.sigmoid(), masks)
    wanted = torch.nn.functional.normalize(numbers["clip.pooled"][0], dim=-1)
    valid = (numbers["mask_for_pooling"][0] > 0).flatten(1).any(1)
    assert 0 < int(valid.sum()) < len(valid)
    close(found.vectors[valid], wanted[valid])
