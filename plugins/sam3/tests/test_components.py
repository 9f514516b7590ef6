"""What the distribution announces: contracts kept with and without weights, nothing heavy imported to list it."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from retclip.errors import WeightsDamaged, WeightsMissing
from retclip.plugin.checkpoints import read_state, write_safetensors
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import damaged_copies
from retclip.plugin.manager import PluginManager
from retclip.types import Device

KIND, NAME = "proposer", "sam3.concepts"


def find():
    return PluginManager.discover().find(KIND, NAME)


def test_without_weights_nothing_is_called_broken(tmp_path):
    found = check_component(find(), cache=tmp_path)
    assert [one for one in found if one.ok is False] == []
    assert [one.ok for one in found if one.check == "load"] == [None]


def test_a_small_model_keeps_the_contract(folder):
    found = check_component(find(), {"model": str(folder), "score_threshold": 0.0})
    assert [one for one in found if one.ok is False] == []
    assert sum(one.ok is True for one in found) >= 4


@pytest.mark.parametrize("model", ["sam3"])
def test_missing_weights_say_what_how_large_where_and_two_commands(model, tmp_path):
    with pytest.raises(WeightsMissing) as caught:
        PluginManager.discover(cache=tmp_path).load(KIND, NAME, {"model": model}, Device())
    for part in (model, " MB", str(tmp_path), f"retclip weights pull {model}", f"import {model} FILE"):
        assert part in str(caught.value)


def test_weights_that_are_not_whole_are_refused_by_name(folder, tmp_path):
    manager = PluginManager.discover()
    for damage, copy in damaged_copies(folder, tmp_path):
        with pytest.raises((WeightsDamaged, WeightsMissing)) as caught:
            manager.load(KIND, NAME, {"model": str(copy)}, Device())
        assert caught.value.exit_code == 6 and str(copy) in str(caught.value), damage
        if damage in ("missing", "left over", "of another shape"):
            assert caught.value.got.startswith(f"1 {damage}: "), damage


def test_the_published_folder_holds_the_video_model_whose_tracker_lies_beside_it(folder, tmp_path):
    published = shutil.copytree(folder, tmp_path / "published")
    state = {f"detector_model.{key}": value for key, value in read_state(folder / "model.safetensors").items()}
    tracker = {"tracker_model.mask_decoder.weight": torch.ones(1), "tracker_neck.weight": torch.ones(1)}
    write_safetensors({**state, **tracker}, published / "model.safetensors", {"format": "pt"})
    detector = json.loads((folder / "config.json").read_text())
    video = {"model_type": "sam3_video", "architectures": ["Sam3VideoModel"], "detector_config": detector}
    (published / "config.json").write_text(
        json.dumps({**video, "tracker_config": {"model_type": "sam3_tracker_video"}})
    )
    assert PluginManager.discover().load(KIND, NAME, {"model": str(published)}, Device())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(WeightsMissing, match=r"no config\.json"):
        PluginManager.discover().load(KIND, NAME, {"model": str(tmp_path)}, Device())


def test_importing_the_package_imports_no_model_library():
    code = (
        "import sys, retclip_sam3 as package\n"
        "for one in package.retclip_mask_proposers():\n"
        "    assert one.weights(one.settings())\n"
        "heavy = {'torch', 'torchvision', 'transformers'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
