"""Presets side by side: the same figures as each alone, one folder for each, and what is refused."""

import re

import pytest

import retclip
from retclip.errors import ConfigError, PluginError
from retclip.workflows.evaluation.evaluation_figures import Bootstrap

SETTINGS = {"store": {"index": "resident"}}
DRAWN = Bootstrap(50, 3)
SCENES = "reference.scenes:scenes?split=val&count=3"
FURTHER = {"k": 1}


@pytest.fixture
def memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the scenes are drawn there
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
    names = {"page.html", "page-appearance.html", "page-nearest.html"}
    assert {path.name for path in tmp_path.glob("*.html")} == names
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


def test_one_page_shows_the_presets_side_by_side(memory, presets, tmp_path):
    comparison = memory.compare(SCENES, presets, bootstrap=DRAWN, report=tmp_path / "site.v1", pictures=1, seen="sky")
    page = (tmp_path / "site.v1" / "index.html").read_text(encoding="utf-8")
    for name in presets:
        assert (
            f'<a href="{name}/index.html">{name}</a>' in page and (tmp_path / "site.v1" / name / "index.html").is_file()
        )
    first, second = comparison.evaluations.values()
    rows = re.findall(r"<tr><td class=.text preset.>.*?</tr>", page, re.DOTALL)
    assert len(rows) == 6, "each preset for all classes, seen and unseen ones"
    for row, evaluation in zip(rows[:2], (first, second), strict=True):
        low, high = evaluation.intervals["all"]["pq"]
        assert f">{evaluation.pq:.1f}<small>{low:.1f} to {high:.1f}</small>" in row
    better = rows[second.pq > first.pq]
    assert f'<td class="best">{max(first.pq, second.pq):.1f}' in better
    (change,) = [row for row in comparison.differences["nearest"] if row.figure == "miou"]
    assert f"{change.low:+.1f} to {change.high:+.1f}" in page and "nearest less appearance" in page
    assert page.count("<img") == 4, "a photo, its annotation and two answers"
    shown = page.split("<h2>Classes</h2>")[1]
    assert f"{second.per_class['sky']['iou']:.1f}</td>" in shown and shown.count('class="badge seen"') == 1


def test_a_page_of_somebody_else_is_told_before_the_work(memory, presets, tmp_path):
    (tmp_path / "page.html").write_text("<p>mine</p>")
    with pytest.raises(ConfigError, match="--report"):
        memory.compare(SCENES, presets, out=tmp_path / "out", report=tmp_path / "page.html")
    assert not (tmp_path / "out").exists() and (tmp_path / "page.html").read_text() == "<p>mine</p>"


@pytest.mark.parametrize(
    ("report", "second"), [("page.html", "page-nearest.html"), ("site", "site/nearest/index.html")]
)
def test_a_preset_s_page_of_somebody_else_is_told_before_the_work(memory, presets, tmp_path, report, second):
    (tmp_path / second).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / second).write_text("<p>mine</p>")
    told = []
    with pytest.raises(ConfigError, match=re.escape(second)):
        memory.compare(SCENES, presets, out=tmp_path / "out", report=tmp_path / report, on_progress=told.append)
    assert not told and not (tmp_path / "out").exists() and not list(tmp_path.rglob("*appearance*.html"))
    assert (tmp_path / second).read_text() == "<p>mine</p>"


def test_figures_of_somebody_else_are_told_before_the_work(memory, presets, tmp_path):
    (tmp_path / "figures" / "nearest").mkdir(parents=True)
    (tmp_path / "figures" / "nearest" / "mine.png").write_bytes(b"mine")
    told = []
    with pytest.raises(ConfigError, match="--figures"):
        memory.compare(SCENES, presets, out=tmp_path / "out", figures=tmp_path / "figures", on_progress=told.append)
    assert not told and not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_one_evaluation_tells_foreign_figures_before_the_work_too(memory, tmp_path, workers):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.png").write_bytes(b"mine")
    told = []
    with pytest.raises(ConfigError, match="--figures"):
        memory.evaluate(
            SCENES, out=tmp_path / "out", figures=tmp_path / "figures", workers=workers, on_progress=told.append
        )
    assert not told and not (tmp_path / "out").exists()


def test_a_preset_that_knows_no_seen_classes_stands_beside_one_that_does(memory, presets, tmp_path):
    from dataclasses import replace

    from retclip.report.comparison_page import write_comparison

    first, second = memory.compare(SCENES, presets, bootstrap=DRAWN, seen="sky").evaluations.values()
    blind = {name: {**row, "seen": None} for name, row in first.per_class.items()}
    evaluations = {"blind": replace(first, groups={}, per_class=blind), "other": second}
    page = write_comparison(tmp_path / "page.html", evaluations, {}, "scenes", {}, {}).read_text(encoding="utf-8")
    assert re.findall(r"preset.>([^<]*)</td>", page) == ["blind", "other", "other", "other"]
    assert page.count('class="badge seen"') == 1 and "<a " not in page
