"""Presets side by side: the same figures as each alone, one folder for each, and what is refused."""

import pytest

import retclip
from retclip.errors import ConfigError, PluginError
from retclip.workflows.evaluation.evaluation_figures import Bootstrap

SETTINGS = {"store": {"index": "resident"}}
DRAWN = Bootstrap(50, 3)
SCENES = "reference.scenes:scenes?split=val&count=3"
FURTHER = {"k": 1}


@pytest.fixture
def memory(tmp_path):
    with retclip.open(tmp_path / "store", create=True, settings=SETTINGS, preset="appearance") as memory:
        memory.build("reference.scenes:scenes?split=train&count=4")
        yield memory


@pytest.fixture
def presets(monkeypatch):
    """A second preset on the same store, another k."""
    from retclip.presets import PRESETS

    nearest = {**PRESETS["appearance"], "retrieval": FURTHER}
    monkeypatch.setitem(PRESETS, "nearest", nearest)
    return ["appearance", "nearest"]


def test_each_preset_has_the_figures_that_it_has_alone(memory, presets, tmp_path):
    comparison = memory.compare(SCENES, presets, bootstrap=DRAWN, out=tmp_path / "out", report=tmp_path / "page.html")
    assert list(comparison.evaluations) == presets
    assert comparison.evaluations["appearance"].as_dict() == memory.evaluate(SCENES, bootstrap=DRAWN).as_dict()
    assert comparison.evaluations["nearest"].settings["retrieval"]["k"] == 1
    assert {path.parent.name for path in (tmp_path / "out").glob("*/run.json")} == set(presets)
    assert {path.name for path in tmp_path.glob("*.html")} == {"page-appearance.html", "page-nearest.html"}
    rows = {row.figure: row for row in comparison.differences["nearest"]}
    first, second = (one.pq for one in comparison.evaluations.values())
    assert (rows["pq"].first, rows["pq"].second) == pytest.approx((first, second))
    assert comparison.as_dict()["differences"]["nearest"][0]["change"] == pytest.approx(second - first)


@pytest.mark.parametrize("names", [["appearance"], ["appearance", "appearance"], []])
def test_less_than_two_presets_are_refused(memory, names):
    with pytest.raises(ConfigError, match="two presets or more, each once"):
        memory.compare(SCENES, names)


def test_what_a_preset_lacks_is_told_before_the_work(memory, tmp_path):
    with pytest.raises((ConfigError, PluginError)):
        memory.compare(SCENES, ["appearance", "no such preset"], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
