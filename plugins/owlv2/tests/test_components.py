"""What the distribution announces: contracts kept, weights that are not whole refused."""

from retclip.plugin.conformance import check_component
from retclip.plugin.conformance.damaged_weights import check_refusals
from retclip.plugin.manager import PluginManager

KIND, NAME = "proposer", "owlv2.boxes"


def find():
    return PluginManager.discover().find(KIND, NAME)


def test_a_small_model_keeps_the_contract(folder):
    found = check_component(find(), {"model": str(folder), "box_threshold": 0.0})
    assert [one for one in found if one.ok is False] == []
    assert sum(one.ok is True for one in found) >= 4


def test_weights_that_are_not_whole_are_refused_by_name(folder, tmp_path):
    assert [one for one in check_refusals(find(), "model", folder, tmp_path) if one.ok is not True] == []
