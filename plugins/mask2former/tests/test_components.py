"""What the distribution announces: contracts kept, weights that are not whole refused."""

import pytest

from retclip.errors import ConfigError
from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import check_refusals
from retclip.plugin.manager import PluginManager, checked_settings

BOTH = [("proposer", "mask2former.queries"), ("classifier", "mask2former.in_vocabulary")]


def find(kind, name):
    return PluginManager.discover().find(kind, name)


def test_weights_that_are_not_whole_are_refused_by_name(saved, tmp_path):
    found = check_refusals(find(*BOTH[0]), "weights", saved, tmp_path)
    assert [one for one in found if one.ok is not True] == []


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_with_a_head_nothing_is_broken(kind, name, saved):
    found = check_component(find(kind, name), {"weights": str(saved)})
    assert [one for one in found if one.ok is False] == []
    assert [one.ok for one in found if one.check == "load"] == [True]


def test_what_they_need_of_a_backbone():
    assert find(*BOTH[0]).component.needs == {"levels"}
    assert find(*BOTH[1]).component.needs == {"text"}


def test_a_misspelt_setting_is_met_with_a_hint():
    with pytest.raises(ConfigError, match="did you mean 'weights'"):
        checked_settings(find(*BOTH[0]), {"weight": "x"})
