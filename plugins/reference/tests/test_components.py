"""What the distribution announces: contracts kept, settings checked."""

import pytest

from retclip.errors import ConfigError
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager, checked_settings

COMPONENTS = (
    ("backbone", "reference.colour_texture"),
    ("proposer", "reference.ground_truth"),
    ("proposer", "reference.superpixels"),
    ("proposer", "reference.prompted_superpixels"),
    ("proposer", "reference.whole_image"),
    ("source", "reference.scenes"),
)


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_it_keeps_its_contract(kind, name, tmp_path):
    info = PluginManager.discover().find(kind, name)
    found = check_component(info, {"path": str(tmp_path), "count": 5} if kind == "source" else None)
    assert [one for one in found if one.ok is False] == []
    assert sum(one.ok is True for one in found) >= 4  # a check that could not be tried proves nothing


def test_it_announces_these_and_no_others():
    found = PluginManager.discover().components()
    assert {(one.kind, one.full_name) for one in found if one.plugin == "reference"} == set(COMPONENTS)


@pytest.mark.parametrize(
    ("kind", "name", "settings"),
    [
        ("backbone", "reference.colour_texture", {"colour": 0}),
        ("backbone", "reference.colour_texture", {"contrast": -0.1}),
        ("backbone", "reference.colour_texture", {"color": 1}),
        ("proposer", "reference.ground_truth", {"min_area": 0}),
        ("proposer", "reference.superpixels", {"count": 0}),
        ("proposer", "reference.superpixels", {"compactness": 0}),
        ("proposer", "reference.whole_image", {"side": 100}),
        ("source", "reference.scenes", {}),
        ("source", "reference.scenes", {"path": "scenes", "split": "test"}),
        ("source", "reference.scenes", {"path": "scenes", "width": 63}),
    ],
)
def test_settings_that_cannot_be_are_refused(kind, name, settings):
    info = PluginManager.discover().find(kind, name)
    with pytest.raises(ConfigError, match=name):
        checked_settings(info, settings)
