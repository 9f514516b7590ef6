"""What the distribution announces: contracts kept, weights that are not whole refused."""

import pytest

from retclip.errors import ConfigError
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager, checked_settings

NAMES = ["convnext_large", "model", "rn50x64", "vit_b_16", "vit_l_14"]
PAPERS = [name for name in NAMES if name != "model"]


def find(name):
    return PluginManager.discover().find("backbone", f"openclip.{name}")


def test_the_components_are_these():
    assert [one.name for one in PluginManager.discover().components("backbone") if one.plugin == "openclip"] == NAMES


@pytest.mark.parametrize("family", ["vit", "convnext", "resnet"])
@pytest.mark.parametrize("pooling", ["area", "fcclip", "fcclip_or_area"])
def test_a_small_model_of_each_family_keeps_its_contract(family, pooling, given, tmp_path):
    settings = given(family, pooling=pooling)
    found = check_component(find("model"), settings, cache=tmp_path)
    broken = [one for one in found if one.ok is not True]
    assert broken == []


@pytest.mark.parametrize("settings", [{"pooling": "max"}, {"short_side": 0}, {"dense": "mask"}])
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(ConfigError, match=r"openclip\.vit_b_16"):
        checked_settings(find("vit_b_16"), settings)


def test_the_paper_s_openai_models_have_quick_gelu():
    """OpenCLIP 3 only warns where OpenAI's weights meet another activation (method.md 1.10)."""
    for name in ("rn50x64", "vit_b_16", "vit_l_14"):
        assert find(name).component.settings().model.endswith("-quickgelu")
