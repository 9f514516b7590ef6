"""Components by name: loaded once, checked before anything is loaded."""

import pytest

from retclip.config import load
from retclip.errors import DataError, PluginUnavailable, WeightsMissing
from retclip.plugin.contracts import SourceClass
from retclip.session import Components
from retclip.types import Device


def components(**settings):
    chosen = load(None, settings)
    return Components(chosen)


def test_a_component_is_loaded_once():
    found = components(device={"name": "cpu"})
    mine = found.component("backbone", "colour_texture")
    assert mine is found.component("backbone", "reference.colour_texture")
    other = found.component("backbone", "colour_texture", Device(dtype="bfloat16"))
    assert other is not mine and other.device.dtype == "bfloat16", "one for each device"


def test_a_build_has_its_own_proposer():
    found = components(components={"proposer": "reference.superpixels"}, build={"proposer": "reference.ground_truth"})
    assert found.models(building=True).proposer.name == "reference.ground_truth"
    assert found.models(building=False).proposer.name == "reference.superpixels"


def test_what_is_missing_is_told_before_anything_is_loaded(tmp_path):
    with pytest.raises(PluginUnavailable, match="did you mean"):
        components(components={"backbone": "reference.color_texture"}).models(building=True)
    with pytest.raises(WeightsMissing):
        components(preset="fc-clip", weights={"folder": str(tmp_path)}).models(building=False)


def test_a_source_by_its_address(tmp_path):
    found = components().source(f"reference.scenes:{tmp_path}?count=2&width=96&height=64")
    assert len(found) == 2


def test_the_classes_of_every_source_are_checked_also_of_a_plugin_s(tmp_path, monkeypatch):
    from retclip_reference.scenes import Scenes

    monkeypatch.setattr(Scenes, "classes", lambda _: (SourceClass("fish"), SourceClass("Fish")))
    with pytest.raises(DataError, match=r"the classes of reference\.scenes"):
        components().source(f"reference.scenes:{tmp_path}?count=2&width=96&height=64")
