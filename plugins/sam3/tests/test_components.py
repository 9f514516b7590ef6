"""What the distribution announces: contracts kept, weights that are not whole refused."""

import json
import shutil

import torch

from retclip.plugin.checkpoints import read_state, write_safetensors
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import check_refusals
from retclip.plugin.manager import PluginManager
from retclip.types import Device

KIND, NAME = "proposer", "sam3.concepts"


def find():
    return PluginManager.discover().find(KIND, NAME)


def test_a_small_model_keeps_the_contract(folder):
    found = check_component(find(), {"model": str(folder), "score_threshold": 0.0})
    assert [one for one in found if one.ok is False] == []
    assert sum(one.ok is True for one in found) >= 4


def test_weights_that_are_not_whole_are_refused_by_name(folder, tmp_path):
    assert [one for one in check_refusals(find(), "model", folder, tmp_path) if one.ok is not True] == []


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
