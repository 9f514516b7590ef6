"""What the distribution announces: contracts kept with and without weights, nothing heavy imported to list it."""

import subprocess
import sys

import pytest

from retclip.errors import ConfigError, WeightsMissing
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager, checked_settings
from retclip.types import Device

NAMES = ["convnext_large", "model", "rn50x64", "vit_b_16", "vit_l_14"]
PAPERS = [name for name in NAMES if name != "model"]


def find(name):
    return PluginManager.discover().find("backbone", f"openclip.{name}")


def test_the_components_are_these():
    assert [one.name for one in PluginManager.discover().components("backbone") if one.plugin == "openclip"] == NAMES


@pytest.mark.parametrize("name", PAPERS)
def test_without_weights_nothing_is_called_broken(name, tmp_path):
    found = check_component(find(name), cache=tmp_path)
    assert [one for one in found if one.ok is False] == []
    (load,) = [one for one in found if one.check == "load"]
    assert load.ok is None
    assert "retclip weights pull" in load.detail


@pytest.mark.parametrize("family", ["vit", "convnext", "resnet"])
@pytest.mark.parametrize("pooling", ["area", "fcclip", "fcclip_or_area"])
def test_a_small_model_of_each_family_keeps_its_contract(family, pooling, given, tmp_path):
    settings = given(family, pooling=pooling, cache_text=True)
    found = check_component(find("model"), settings, cache=tmp_path)
    broken = [one for one in found if one.ok is not True]
    assert broken == []


@pytest.mark.parametrize("name", PAPERS)
def test_missing_weights_say_what_how_large_where_and_two_commands(name, tmp_path):
    with pytest.raises(WeightsMissing) as caught:
        PluginManager.discover(cache=tmp_path).load("backbone", f"openclip.{name}", {}, Device())
    told = str(caught.value)
    (weights,) = find(name).component.weights(find(name).component.settings())
    for part in (weights.name, f"{weights.megabytes} MB", str(tmp_path), f"pull {weights.name}", "import"):
        assert part in told


@pytest.mark.parametrize("settings", [{"pooling": "max"}, {"short_side": 0}, {"dense": "mask"}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ConfigError, match=r"openclip\.vit_b_16"):
        checked_settings(find("vit_b_16"), settings)


def test_the_paper_s_openai_models_have_quick_gelu():
    """OpenCLIP 3 only warns where OpenAI's weights meet another activation (method.md 1.10)."""
    for name in ("rn50x64", "vit_b_16", "vit_l_14"):
        assert find(name).component.settings().model.endswith("-quickgelu")


def test_importing_the_package_imports_no_torch():
    code = (
        "import sys, retclip_openclip as package\n"
        "components = list(package.retclip_backbones())\n"
        "assert all(one.weights(one.settings()) for one in components if one.name != 'model')\n"
        "sys.exit('imported torch' if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
