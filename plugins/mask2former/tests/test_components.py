"""What the distribution announces: contracts kept with and without weights, nothing heavy imported to list it."""

import subprocess
import sys

import pytest

from retclip.errors import ConfigError, WeightsDamaged, WeightsMissing
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import damaged_copies
from retclip.plugin.manager import PluginManager, checked_settings
from retclip.types import Device

BOTH = [("proposer", "mask2former.queries"), ("classifier", "mask2former.in_vocabulary")]


def find(kind, name):
    return PluginManager.discover().find(kind, name)


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_without_weights_nothing_is_called_broken(kind, name, tmp_path):
    found = check_component(find(kind, name), cache=tmp_path)
    assert [one for one in found if one.ok is False] == []
    assert [one.ok for one in found if one.check == "load"] == [None]


def test_weights_that_are_not_whole_are_refused_by_name(saved, tmp_path):
    manager = PluginManager.discover()
    for damage, copy in damaged_copies(saved, tmp_path):
        with pytest.raises((WeightsDamaged, WeightsMissing)) as caught:
            manager.load("proposer", "mask2former.queries", {"weights": str(copy)}, Device())
        assert caught.value.exit_code == 6 and str(copy) in str(caught.value), damage
        if damage in ("missing", "left over", "of another shape"):
            assert caught.value.got.startswith(f"1 {damage}: "), damage


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_with_a_head_nothing_is_broken(kind, name, saved):
    found = check_component(find(kind, name), {"weights": str(saved)})
    assert [one for one in found if one.ok is False] == []
    assert [one.ok for one in found if one.check == "load"] == [True]


@pytest.mark.parametrize(("kind", "name"), BOTH)
@pytest.mark.parametrize("weights", ["fcclip_convnext_large", "fcclip_rn50x64"])
def test_missing_weights_say_what_how_large_where_and_two_commands(kind, name, weights, tmp_path):
    with pytest.raises(WeightsMissing) as caught:
        PluginManager.discover(cache=tmp_path).load(kind, name, {"weights": weights}, Device())
    for part in (weights, " MB", str(tmp_path), f"retclip weights pull {weights}", f"import {weights} FILE"):
        assert part in str(caught.value)


def test_what_they_need_of_a_backbone():
    assert find(*BOTH[0]).component.needs == {"levels"}
    assert find(*BOTH[1]).component.needs == {"text"}


def test_a_misspelt_setting_is_met_with_a_hint():
    with pytest.raises(ConfigError, match="did you mean 'weights'"):
        checked_settings(find(*BOTH[0]), {"weight": "x"})


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, retclip_mask2former as package\n"
        "for one in (*package.retclip_mask_proposers(), *package.retclip_classifiers()):\n"
        "    assert one.weights(one.settings())\n"
        "sys.exit('imported torch' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
