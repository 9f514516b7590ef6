"""The weights that ship: small enough, taught on the seen classes alone, and able to name what they were taught."""

import numpy as np
import torch
from retclip_mask2former.checkpoint import trained_on_of
from retclip_miniature.glyphs import read_choice
from retclip_miniature.scenes import UNSEEN
from retclip_miniature.ship import LIMIT, MODELS
from retclip_miniature.things import every_class

from retclip.data.scene_composition import Cast, compose
from retclip.data.scene_textures import TEXTURES
from retclip.plugin.manager import PluginManager
from retclip.types import Device, Image


def test_all_weights_are_small_and_have_a_card():
    files = {one.name: one.stat().st_size for one in MODELS.iterdir()}
    assert set(files) == {"MODEL_CARD.md", "clip.json", "clip.safetensors", "mask_head.safetensors"}
    assert sum(files.values()) < LIMIT


def test_the_head_was_taught_the_seen_classes_alone():
    seen = {one.name for one in read_choice() if one.seen} | (set(TEXTURES) - set(UNSEEN))
    assert set(trained_on_of(MODELS / "mask_head.safetensors")) == seen and len(seen) == 149


def shipped_clip():
    settings = {"model": "small", "config": str(MODELS / "clip.json"), "pretrained": str(MODELS / "clip.safetensors"),
                "short_side": 128, "long_side": 128}  # fmt: skip
    return PluginManager.discover().load("backbone", "openclip.model", settings, Device())


def test_clip_names_single_things_in_whole_pictures():
    """91 % of 200 when the weights were made; by chance one in 205."""
    backbone = shipped_clip()
    names = [one.name for one in read_choice()]
    text, right = backbone.text_vectors(names), 0
    for number in range(40):
        cast = Cast(every_class("photo"), TEXTURES, "photo", (60.0, 102.0), 1e9)
        pixels, truth = compose(np.random.default_rng([77, number]), cast, 128, 128)
        (features,) = backbone.dense_features([Image(pixels, f"{number:064d}")])
        vectors = backbone.segment_vectors(features, torch.ones(1, 128, 128)).vectors
        right += names[int((vectors @ text.T).argmax())] in {one.class_name for one in truth.segments}
    assert right >= 28


def test_vectors_of_any_number_of_threads_are_a_step_of_float16_apart_at_most():
    """What docs/building.md promises of networks; with the same number of threads they are the same."""
    backbone, before, found = shipped_clip(), torch.get_num_threads(), []
    scenes = [compose(np.random.default_rng([78, n]), Cast(every_class("photo"), TEXTURES), 128, 128) for n in range(4)]
    try:
        for threads in (1, 2, 4, 1):
            torch.set_num_threads(threads)
            for pixels, truth in scenes:
                (features,) = backbone.dense_features([Image(pixels, "0" * 64)])
                masks = torch.stack([torch.from_numpy(truth.label_map == one.id).float() for one in truth.segments])
                found.append(backbone.segment_vectors(features, masks).vectors.numpy().astype(np.float16))
    finally:
        torch.set_num_threads(before)
    first, second, third, again = (np.concatenate(found[n : n + 4]) for n in range(0, 16, 4))
    assert (first == again).all()
    for other in (second, third):
        apart = np.abs(first.astype(np.float32) - other.astype(np.float32))
        assert (apart <= np.spacing(np.maximum(np.abs(first), np.abs(other)))).all()
