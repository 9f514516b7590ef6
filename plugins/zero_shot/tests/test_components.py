"""What the distribution announces: a contract kept, settings checked."""

import pytest

from retclip.errors import ConfigError
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager, checked_settings


@pytest.fixture
def info():
    return PluginManager.discover().find("classifier", "zero_shot.clip_text")


def test_it_keeps_its_contract(info):
    untried = [one.check for one in check_component(info) if one.ok is not True]
    assert untried == ["the vote alone"]  # it asks no store


def test_it_is_the_only_component_and_needs_text(info):
    found = [one.full_name for one in PluginManager.discover().components() if one.plugin == "zero_shot"]
    assert found == ["zero_shot.clip_text"]
    assert info.component.needs == {"text"}


@pytest.mark.parametrize("settings", [{"temperature": 0.01}, {"scale": 0}, {"scale": -100}, {"scale": "hot"}])
def test_settings_that_cannot_be_are_refused(info, settings):
    with pytest.raises(ConfigError, match=r"zero_shot\.clip_text"):
        checked_settings(info, settings)


def test_a_misspelt_setting_is_met_with_a_hint(info):
    with pytest.raises(ConfigError, match="did you mean 'scale'"):
        checked_settings(info, {"scales": 50})
