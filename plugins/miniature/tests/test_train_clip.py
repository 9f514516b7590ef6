"""The small CLIP's training: its steps by hand, and a run of two steps whose files the openclip plugin reads."""

import json

import numpy as np
import pytest
import torch
from retclip_miniature import train_clip
from retclip_miniature.train_clip import ARCHITECTURE, Stage, augmented, draw, rate, train

from retclip.plugin.manager import PluginManager
from retclip.types import Device, Image

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
