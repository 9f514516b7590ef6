"""Tuning from photos to a settings file: the best of the grid, judged once on others; shared photos are refused."""

import json
import sys

import pytest

import retclip
from retclip.errors import ConfigError, DataError
from retclip.workflows.evaluation.evaluation_figures import Bootstrap
from retclip.workflows.tuning import tune as module

FEW = Bootstrap(drawings=20)
GRID = ["gamma=0:1:3", "vote=minmax,rank", "object_mask_threshold=0,0.3"]
BAD = {"segment": {"object_mask_threshold": 0.9}}  # hardly a mask is left


def held_out(tuned):
    return tuned.address.replace("split=val", "split=test")


def run(memory, tuned, out, grid=GRID, **more):
    return memory.tune(tuned.address, held_out(tuned), out, grid, bits=4, bootstrap=FEW, **more)


@pytest.fixture(scope="module")
def report(tuned, tmp_path_factory):
    with tuned.open(BAD) as memory:
        return run(memory, tuned, tmp_path_factory.mktemp("tune") / "out"), memory.settings


def test_the_best_setting_is_chosen_and_judged_on_other_photos(tuned, report, tmp_path):
    told, _ = report
    with tuned.open(BAD) as memory:
        tuning = run(memory, tuned, tmp_path / "out")
    assert tuning.as_dict() == told.as_dict(), "the same twice"
    assert (len(tuning.tried), tuning.images, tuning.figure, tuning.held_out.looks) == (12, 3, "pq", 1)
    highest = max(row.figures["pq"] for row in (tuning.as_set, *tuning.tried))
    assert tuning.best.figures["pq"] == highest and tuning.gain == highest - tuning.as_set.figures["pq"] > 0
    assert [row.figures["pq"] for row in tuning.highest(3)] == sorted(
        (row.figures["pq"] for row in tuning.tried), reverse=True
    )[:3]
    with tuned.open(BAD) as memory:
        assert memory.evaluate(held_out(tuned), bootstrap=FEW).pq == pytest.approx(tuning.held_out.before.pq, abs=1e-9)
    with retclip.open(tuned.store, tmp_path / "out" / "settings.toml") as memory:
        after = memory.evaluate(held_out(tuned), bootstrap=FEW)
        assert memory.evaluate(tuned.address).pq == pytest.approx(highest, abs=1e-9)
        assert memory.settings.preset == "miniature"
    assert after.pq == pytest.approx(tuning.held_out.after.pq, abs=1e-9)
    assert after.map == pytest.approx(tuning.held_out.after.map, abs=1e-9)
    written = json.loads((tmp_path / "out" / "run.json").read_text())
    assert written["best"]["values"] == dict(tuning.best.values) and written["format"] == "retclip-tuning"
    assert len((tmp_path / "out" / "settings.csv").read_text().splitlines()) == 14
    assert all((tmp_path / "out" / f"surface.{kind}").stat().st_size > 1000 for kind in ("png", "svg"))


def test_none_is_what_stands_in_the_file_where_nothing_does(tuned, tmp_path):
    far = {**BAD, "plugin": {"retrieval": {"vote": {"max_distance": 0.001}}}}  # hardly a segment votes
    with tuned.open(far) as memory:
        report = run(memory, tuned, tmp_path / "out", {"max_distance": [None], "object_mask_threshold": [0]})
    assert report.best.values["max_distance"] is None
    with retclip.open(tuned.store, tmp_path / "out" / "settings.toml") as memory:
        assert "max_distance" not in memory.settings.of_component("retrieval.vote")
        assert memory.settings.segment.object_mask_threshold == 0


def test_another_choice_on_the_same_held_out_photos_is_counted(tuned, tmp_path):
    with tuned.open(BAD) as memory:
        grids = ([f"object_mask_threshold={threshold}"] for threshold in (0, 0, 0.1))
        reports = [run(memory, tuned, tmp_path / "out", grid) for grid in grids]
    assert [report.held_out.looks for report in reports] == [1, 1, 2]


def test_photos_that_two_of_the_three_share_are_refused_by_name(tuned, tmp_path):
    stored = tuned.address.replace("split=val", "split=store")
    with tuned.open() as memory:
        with pytest.raises(DataError, match=r"3 of the photos to tune on .* are in the store: photo_store_0_all_0000"):
            memory.tune(stored, held_out(tuned), tmp_path / "out", bits=4)
        with pytest.raises(DataError, match=r"held-out photos .* are in the store: photo_store_0.*the same file as"):
            memory.tune(tuned.address, stored, tmp_path / "out", bits=4)
        with pytest.raises(DataError, match=r"3 of the photos to tune on .* are in the held-out photos"):
            memory.tune(tuned.address, tuned.address, tmp_path / "out", bits=4)
    assert not list((tmp_path / "out").glob("*/*.npz")), "no photo went through the models"


def test_settings_that_cannot_be_tried_are_refused_before_the_work(tuned, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "cache_scores", None)
    with tuned.open() as memory:
        for grid, words in (
            (["gamma=0:2:3"], "gamma: Input should be less than or equal to 1"),
            (["gamma=0:1"], "--search optuna"),
            (["plugin.timm.labels.share=0.5"], "classifiers that take part"),
        ):
            with pytest.raises(ConfigError, match=words):
                run(memory, tuned, tmp_path / "out", grid)
        with pytest.raises(ConfigError, match="a figure, one of pq, sq"):
            run(memory, tuned, tmp_path / "out", figure="map")
        with pytest.raises(ConfigError, match="at least one trial"):
            run(memory, tuned, tmp_path / "out", trials=0)


def test_a_vote_by_other_neighbours_than_those_that_are_cached_is_refused(tuned, tmp_path):
    with tuned.open() as memory, pytest.raises(ConfigError, match="without neighbours of each class"):
        run(memory, tuned, tmp_path / "out", ["plugin.retrieval.vote.per_class_best=0,2"])


def test_prototypes_are_asked_again_as_they_are_cached_and_no_others(tuned, tmp_path):
    parts = ("retrieval.vote", "retrieval.prototypes", "zero_shot.clip_text", "mask2former.in_vocabulary")
    asked = {"components": {"classifiers": parts}, "plugin": {"retrieval": {"prototypes": {"per_class": 2}}}}
    grid = ["plugin.retrieval.prototypes.temperature=0.02,0.2", "k=4,8"]
    with tuned.open(asked) as memory:
        with pytest.raises(ConfigError, match="with 2 prototypes of each class"):
            run(memory, tuned, tmp_path / "no", ["plugin.retrieval.prototypes.per_class=1,3"])
        report = run(memory, tuned, tmp_path / "out", grid)
    with tuned.open({**asked, **report.settings}) as memory:
        assert memory.evaluate(tuned.address).pq == pytest.approx(report.best.figures["pq"], abs=1e-9)


def test_without_optuna_the_extra_is_named(tuned, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with tuned.open() as memory, pytest.raises(ConfigError, match=r"optuna.*pip install 'retclip\[tune\]'"):
        run(memory, tuned, tmp_path / "out", ["gamma=0:1"], trials=5)


def test_optuna_searches_ranges_and_the_same_seed_tries_the_same(tuned, tmp_path):
    pytest.importorskip("optuna", reason="needs the extra retclip[tune]")
    grid = {"gamma": "0:1", "k": "2:4", "vote": ["minmax", "rank"]}
    with tuned.open() as memory:
        first, second = (run(memory, tuned, tmp_path / name, grid, trials=25, seed=3) for name in ("one", "two"))
    assert [row.values for row in first.tried] == [row.values for row in second.tried]
    assert len(first.tried) == 25 and len({row.values["gamma"] for row in first.tried}) > 20
    assert {row.values["k"] for row in first.tried} <= {2, 3, 4} and first.search["by"] == "optuna"
