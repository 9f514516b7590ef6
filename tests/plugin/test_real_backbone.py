"""The backbone of the page on plugins keeps its contract, with weights in every form that the page names."""

import re
import sys
import types
from pathlib import Path

import pytest
import timm
import torch

from retclip.errors import WeightsDamaged, WeightsMissing
from retclip.plugin.checkpoints import write_safetensors
from retclip.plugin.conformance import check_component, require_kept
from retclip.plugin.manager import PluginManager
from retclip.types import Device

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
SMALL = {"short_side": 64, "long_side": 128}


class Entry:
    name, dist = "pyramid", None

    def load(self) -> types.ModuleType:
        return sys.modules["retclip_pyramid"]


@pytest.fixture
def manager(monkeypatch):
    """A manager of the page's plugin alone."""
    for path, code in re.findall(
        r"^```python\n# retclip_pyramid/(\w+)\.py .*?\n(.*?)^```", PAGE.read_text(), re.S | re.M
    ):
        name = "retclip_pyramid" if path == "__init__" else f"retclip_pyramid.{path}"
        module = types.ModuleType(name)
        module.__path__ = []
        exec(compile(code, name, "exec"), module.__dict__)
        monkeypatch.setitem(sys.modules, name, module)
    found = PluginManager.discover(entry_points=[Entry()])
    assert found.failures == ()
    return found


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Random weights of the network as safetensors, as a pickle, and in a package."""
    torch.manual_seed(0)
    state = timm.create_model("resnet18", pretrained=False, features_only=True, out_indices=(3, 4)).state_dict()
    package = tmp_path / "brought_weights"
    package.mkdir()
    (package / "__init__.py").touch()
    write_safetensors(state, tmp_path / "net.safetensors")
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    torch.save(state, package / "net.pth")
    monkeypatch.syspath_prepend(tmp_path)
    return [str(tmp_path / "net.safetensors"), str(tmp_path / "net.pth"), "package:brought_weights/net.pth"]


def test_it_keeps_its_contract(manager, weights):
    info = manager.find("backbone", "pyramid.net")
    results = check_component(info, {"weights": weights[0], **SMALL})
    require_kept(info, results)
    kept = {one.check for one in results if one.ok}
    assert {"masks lie where they should", "alone as in a batch", "another space where settings change vectors"} <= kept


def test_weights_of_every_form_are_one_space(manager, weights):
    spaces = {manager.load("backbone", "pyramid.net", {"weights": named, **SMALL}, Device()).space for named in weights}
    assert len(spaces) == 1


def test_weights_that_are_not_there_or_not_whole_are_refused(manager, weights, tmp_path):
    with pytest.raises(WeightsMissing, match="none there"):
        manager.load("backbone", "pyramid.net", {"weights": str(tmp_path / "none.pth")}, Device())
    write_safetensors({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "part.safetensors")
    with pytest.raises(WeightsDamaged, match="missing"):
        manager.load("backbone", "pyramid.net", {"weights": str(tmp_path / "part.safetensors")}, Device())
