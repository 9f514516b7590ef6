"""Trained weights on their way into the package: halved, complete, not too large."""

import json

import pytest
import torch
from retclip_miniature.ship import ship
from safetensors.torch import load_file, save_file

from retclip.errors import DataError
from retclip.plugin.checkpoints import read_metadata


@pytest.fixture
def trained(tmp_path):
    (tmp_path / "head").mkdir()
    (tmp_path / "clip.json").write_text("{}")
    save_file({"w": torch.ones(2, dtype=torch.float16)}, tmp_path / "clip.safetensors")
    state = {"query": torch.full((3,), 0.5), "steps": torch.tensor([7])}
    save_file(state, tmp_path / "head" / "weights.safetensors", {"trained_on": json.dumps(["fox"])})
    return tmp_path


def test_the_head_is_halved_and_still_says_what_it_was_trained_on(trained, tmp_path):
    models = tmp_path / "models"
    size = ship(trained, models)
    assert size == sum(one.stat().st_size for one in models.iterdir())
    head = load_file(models / "mask_head.safetensors")
    assert head["query"].dtype == torch.float16 and head["query"].tolist() == [0.5] * 3
    assert head["steps"].tolist() == [7]
    assert json.loads(read_metadata(models / "mask_head.safetensors")["trained_on"]) == ["fox"]
    assert (models / "clip.safetensors").read_bytes() == (trained / "clip.safetensors").read_bytes()


def test_what_is_missing_or_too_large_is_said(trained, tmp_path, monkeypatch):
    monkeypatch.setattr("retclip_miniature.ship.LIMIT", 10)
    with pytest.raises(DataError, match="MB"):
        ship(trained, tmp_path / "models")
    (trained / "head" / "weights.safetensors").unlink()
    with pytest.raises(DataError, match="make miniature"):
        ship(trained, tmp_path / "models")
