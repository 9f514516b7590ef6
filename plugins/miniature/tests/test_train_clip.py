"""The small CLIP's training: its steps by hand, and a run of two steps whose files the openclip plugin reads."""

import json

import numpy as np
import pytest
import torch
from retclip_miniature import train_clip
from retclip_miniature.train_clip import ARCHITECTURE, Stage, alike_scenes, augmented, draw, hard_batch, rate, train

from retclip.plugin.manager import PluginManager
from retclip.types import Device, Image, PanopticSegmentation, SegmentInfo

TINY = (Stage(64, (22.0, 58.0), 1e9, 1, 6, 2, 4), Stage(128, (26.0, 104.0), 6500.0, 2, 6, 1, 4))


def test_the_learning_rate_warms_up_in_each_stage_and_falls_over_all():
    assert rate(0, 0, 1000) == pytest.approx(1 / train_clip.WARMUP)
    assert rate(500, 500, 1000) == pytest.approx(0.5)
    assert rate(0, 500, 1000) == pytest.approx(0.5 / train_clip.WARMUP)
    assert rate(500, 1000, 1000) == pytest.approx(0.0)


def test_a_scene_is_the_same_for_the_same_seed_and_small_ones_show_one_thing():
    first, again, other = (draw(5, TINY[0], seed) for seed in (0, 0, 1))
    assert np.array_equal(first[0], again[0]) and not np.array_equal(first[0], other[0])
    for index in range(10):
        pixels, truth, style = draw(index, TINY[0], 0)
        assert pixels.shape == (64, 64, 3) and sum(one.is_thing for one in truth.segments) <= 1
        assert style in ("photo", "drawing") and truth.label_map.size == 64 * 64


def test_augmentation_keeps_size_and_range_and_changes_each_picture():
    pixels = torch.from_numpy(np.stack([draw(index, TINY[0], 0)[0] for index in range(4)]))
    first, second = (augmented(pixels, np.random.default_rng(seed)) for seed in (0, 1))
    assert first.shape == (4, 3, 64, 64) and torch.isfinite(first).all()
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    grey = augmented(torch.full((1, 8, 8, 3), 128, dtype=torch.uint8), np.random.default_rng(0))
    assert grey.std(dim=(2, 3)).max() < 1e-3  # a plain picture stays plain


def test_places_of_the_attention_pool_are_interpolated_between_sizes():
    torch.manual_seed(0)
    small = train_clip._resized(None, 64)
    grown = train_clip._resized(small, 128)
    before, after = (one.visual.attnpool.positional_embedding for one in (small, grown))
    assert before.shape == (5, 512) and after.shape == (17, 512)
    assert torch.equal(before[0], after[0])
    corners = after[1:].unflatten(0, (4, 4))[[0, 0, 3, 3], [0, 3, 0, 3]]
    assert torch.allclose(corners, before[1:])
    assert torch.equal(small.token_embedding.weight, grown.token_embedding.weight)


def test_a_batch_shows_scenes_that_only_their_things_tell_apart():
    def scene(style, *stuff):
        segments = [SegmentInfo(n, name, False, 9) for n, name in enumerate(stuff, 1)]
        thing = SegmentInfo(9, "fox", True, 9)
        return None, PanopticSegmentation(np.zeros((2, 2), np.int32), (*segments, thing)), style

    kinds = [("photo", "grass", "sky"), ("photo", "sky", "grass"), ("drawing", "grass", "sky"), ("photo", "sand")]
    scenes = [scene(*kinds[n % 4]) for n in range(40)]
    alike = alike_scenes(scenes)
    assert sorted(len(one) for one in alike.values()) == [10, 10, 20]  # the order of the stuff does not matter
    group_of = {number: key for key, numbers in alike.items() for number in numbers}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        few, many = (hard_batch(list(alike.values()), size, rng) for size in (8, 30))
        assert len({group_of[number] for number in few}) == 1 and len(set(few)) == 8
        assert len(set(many)) == 30 and len({group_of[number] for number in many}) <= 3
    assert sorted(hard_batch(list(alike.values()), 99, np.random.default_rng(0))) == list(range(40))  # all there are


def test_two_steps_leave_files_that_the_openclip_plugin_reads(tmp_path, capsys):
    train(TINY, 0, tmp_path)
    assert "128 px" in capsys.readouterr().out
    assert json.loads((tmp_path / "clip.json").read_text()) == ARCHITECTURE
    assert (tmp_path / "clip.safetensors").stat().st_size < 9e6
    settings = {"model": "small", "config": str(tmp_path / "clip.json"), "short_side": 128, "long_side": 256,
                "pretrained": str(tmp_path / "clip.safetensors"), "cache_text": False}  # fmt: skip
    backbone = PluginManager.discover().load("backbone", "openclip.model", settings, Device())
    text = backbone.text_vectors(["fox", "grass"])
    (features,) = backbone.dense_features([Image(draw(0, TINY[1], 0)[0], "0" * 64)])
    assert text.shape == (2, 128) and [tuple(one.shape) for one in features.levels.values()] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4),
    ]  # fmt: skip
    assert torch.isfinite(text).all() and torch.isfinite(features.grid).all()
