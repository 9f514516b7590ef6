"""What the distribution announces: contracts kept, weights that are not whole refused."""

from functools import partial

import pytest
import torch
from transformers import BitImageProcessor, Dinov2Config, Dinov2ForImageClassification

from retclip.errors import WeightsDamaged
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import check_refusals, damaged_copies
from retclip.plugin.manager import PluginManager
from retclip.types import Device

KIND, NAME = "backbone", "dinov2.keys"


def find():
    return PluginManager.discover().find(KIND, NAME)


def test_a_small_model_keeps_the_contract(folder):
    found = check_component(find(), {"model": str(folder), "short_side": 28, "long_side": 56})
    assert [one for one in found if one.ok is False] == []
    assert sum(one.ok is True for one in found) >= 4


def test_weights_that_are_not_whole_are_refused_by_name(folder, tmp_path):
    found = check_refusals(find(), "model", folder, tmp_path, {"short_side": 28})
    assert [one for one in found if one.ok is not True] == []


def test_the_conformance_kit_blames_the_weights_and_not_the_component(folder, tmp_path):
    _, copy = next(damaged_copies(folder, tmp_path))
    with pytest.raises(WeightsDamaged, match="1 missing: "):
        check_component(find(), {"model": str(copy), "short_side": 28})


def test_a_head_that_it_was_fine_tuned_with_may_lie_beside_it_and_no_other_tensor(folder, tmp_path):
    torch.manual_seed(0)
    config = Dinov2Config.from_pretrained(folder)
    Dinov2ForImageClassification(config).eval().save_pretrained(tmp_path)
    BitImageProcessor().save_pretrained(tmp_path)
    load = partial(PluginManager.discover().load, KIND, NAME, {"model": str(tmp_path), "short_side": 28}, Device())
    assert load()
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "image_size": 28, "mlp_ratio": 2}
    Dinov2Config(**sizes, num_hidden_layers=1).save_pretrained(tmp_path)
    with pytest.raises(WeightsDamaged, match=r"left over: dinov2\.encoder\.layer\.1\.attention"):
        load()
