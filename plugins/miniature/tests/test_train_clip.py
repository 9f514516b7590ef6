"""The small CLIP's training: its steps by hand, and a run of two steps whose files the openclip plugin reads."""

import json
from dataclasses import replace

import pytest
import torch
from retclip_miniature import train_clip
from retclip_miniature.clip_batches import Stage, draw
from retclip_miniature.train_clip import ARCHITECTURE, rate, train

from retclip.plugin.manager import PluginManager
from retclip.types import Device, Image

SINGLE = Stage(True, 64, (28.0, 60.0), 1e9, 1, 6, 2, 4)
SEVERAL = Stage(False, 128, (40.0, 110.0), 9000.0, 2, 6, 1, 4)
TINY = ((SINGLE, SEVERAL), (replace(SEVERAL, landscapes=0.5, first=2),))


def test_the_learning_rate_warms_up_in_each_stage_and_falls_over_all():
    assert rate(0, 0, 1000) == pytest.approx(1 / train_clip.WARMUP)
    assert rate(500, 500, 1000) == pytest.approx(0.5)
    assert rate(0, 500, 1000) == pytest.approx(0.5 / train_clip.WARMUP)
    assert rate(500, 1000, 1000) == pytest.approx(0.0)


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
    told = capsys.readouterr().out
    assert "64 px: 0" in told and "2/4" in told and "0/2" in told  # the second cycle counts anew
    assert json.loads((tmp_path / "clip.json").read_text()) == ARCHITECTURE
    assert (tmp_path / "clip.safetensors").stat().st_size < 9e6
    settings = {"model": "small", "config": str(tmp_path / "clip.json"), "short_side": 128, "long_side": 256,
                "pretrained": str(tmp_path / "clip.safetensors")}  # fmt: skip
    backbone = PluginManager.discover().load("backbone", "openclip.model", settings, Device())
    text = backbone.text_vectors(["fox", "grass"])
    (features,) = backbone.dense_features([Image(draw(0, SEVERAL, 0)[0], "0" * 64)])
    assert text.shape == (2, 128) and [tuple(one.shape) for one in features.levels.values()] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4),
    ]  # fmt: skip
    assert torch.isfinite(text).all() and torch.isfinite(features.grid).all()
