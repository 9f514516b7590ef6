"""What the distribution announces: contracts kept with and without weights, nothing heavy imported to list it."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from transformers import BitImageProcessor, Dinov2Config, Dinov2ForImageClassification

from retclip.errors import WeightsDamaged, WeightsMissing
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import damaged_copies
from retclip.plugin.manager import PluginManager
from retclip.types import Device

KIND, NAME = "backbone", "dinov2.keys"


def find():
    return PluginManager.discover().find(KIND, NAME)


def test_without_weights_nothing_is_called_broken(tmp_path):
    found = check_component(find(), cache=tmp_path)
    assert [one for one in found if one.ok is False] == []
    assert [one.ok for one in found if one.check == "load"] == [None]


def test_a_small_model_keeps_the_contract(folder):
    found = check_component(find(), {"model": str(folder), "short_side": 28, "long_side": 56})
    assert [one for one in found if one.ok is False] == []
    assert sum(one.ok is True for one in found) >= 4


@pytest.mark.parametrize("model", ["dinov2_large", "dinov2_base"])
def test_missing_weights_say_what_how_large_where_and_two_commands(model, tmp_path):
    with pytest.raises(WeightsMissing) as caught:
        PluginManager.discover(cache=tmp_path).load(KIND, NAME, {"model": model}, Device())
    for part in (model, " MB", str(tmp_path), f"retclip weights pull {model}", f"import {model} FILE"):
        assert part in str(caught.value)


def test_weights_that_are_not_whole_are_refused_by_name(folder, tmp_path):
    manager = PluginManager.discover()
    for damage, copy in damaged_copies(folder, tmp_path):
        with pytest.raises((WeightsDamaged, WeightsMissing)) as caught:
            manager.load(KIND, NAME, {"model": str(copy), "short_side": 28}, Device())
        assert caught.value.exit_code == 6 and str(copy) in str(caught.value), damage
        if damage in ("missing", "left over", "of another shape"):
            assert caught.value.got.startswith(f"1 {damage}: "), damage


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


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsMissing, match=r"no config\.json"):
        PluginManager.discover().load(KIND, NAME, {"model": str(tmp_path)}, Device())


def test_importing_the_package_imports_no_model_library():
    code = (
        "import sys, retclip_dinov2 as package\n"
        "for one in package.retclip_backbones():\n"
        "    assert one.weights(one.settings())\n"
        "heavy = {'torch', 'torchvision', 'transformers'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
