"""What the distribution announces: a contract kept, settings checked."""

import pytest

from retclip.errors import ConfigError
from retclip.plugin.conformance import check_component
from retclip.plugin.manager import PluginManager, checked_settings


@pytest.fixture
def info():
    return PluginManager.discover().find("classifier", "retrieval.vote")


def test_the_layer_of_a_photo_keeps_its_contract():
    fitted = PluginManager.discover().find("classifier", "retrieval.fitted")
    findings = {finding.check: finding.ok for finding in check_component(fitted)}
    assert False not in findings.values()
    assert [check for check, ok in findings.items() if ok is None] == ["masks alone as among others", "the vote alone"]
    assert fitted.component.needs == {"neighbours", "text"}


def test_it_keeps_its_contract(info):
    assert [one for one in check_component(info) if one.ok is not True] == []


@pytest.mark.parametrize("vote", ["minmax", "softmax", "rank"])
@pytest.mark.parametrize("aggregate", ["max", "mean"])
def test_it_keeps_its_contract_with_every_vote(info, vote, aggregate):
    found = check_component(info, {"vote": vote, "aggregate": aggregate, "max_distance": 0.25})
    assert [one for one in found if one.ok is not True] == []


def test_prototypes_keep_their_contract():
    prototypes = PluginManager.discover().find("classifier", "retrieval.prototypes")
    findings = {finding.check: finding.ok for finding in check_component(prototypes, {"per_class": 2})}
    assert [check for check, ok in findings.items() if ok is not True] == ["the vote alone"]
    assert findings["the vote alone"] is None, "it does not vote"


def test_all_components_need_neighbours(info):
    found = [one.full_name for one in PluginManager.discover().components() if one.plugin == "retrieval"]
    assert sorted(found) == ["retrieval.fitted", "retrieval.prototypes", "retrieval.vote"]
    assert info.component.needs == {"neighbours"}


@pytest.mark.parametrize(
    "settings",
    [
        {"votes": "rank"},
        {"vote": "loudest"},
        {"aggregate": "sum"},
        {"temperature": -0.07},
        {"temperature": 0},
        {"max_distance": 0},
        {"max_distance": 2.1},
        {"per_class_best": -1},
    ],
)
def test_settings_that_cannot_be_are_refused(info, settings):
    with pytest.raises(ConfigError, match=r"retrieval\.vote"):
        checked_settings(info, settings)


def test_a_misspelt_setting_is_met_with_a_hint(info):
    with pytest.raises(ConfigError, match="did you mean 'temperature'"):
        checked_settings(info, {"temprature": 0.1})
