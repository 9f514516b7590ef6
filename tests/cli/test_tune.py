"""`retclip tune` as a user meets it: a table, files that go on, and refusals in three parts."""

import csv
import json

import pytest


@pytest.fixture
def tune(run, built, tmp_path):
    def call(*more, seed=1, val=2):
        drawn = f"reference.scenes:{tmp_path / 'drawn'}?split=val&count=2&width=96&height=64&seed="
        places = f"{drawn}{seed}", "--val", f"{drawn}{val}", "--out", tmp_path / "out", "--store", built.store
        return run("tune", *places, "--bits", "0", "--bootstrap", "20", *more)

    return call


def test_a_grid_is_tried_and_the_settings_file_segments(tune, run, built, tmp_path):
    ran = tune("--grid", "k=1,8", "--grid", "vote=minmax,softmax", "--figure", "miou")
    assert ran.code == 0, ran.err
    assert "as set" in ran.out and "miou" in ran.out and "chosen" in ran.out
    with (tmp_path / "out" / "settings.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 and {row["k"] for row in rows} == {"", "1", "8"} and float(rows[0]["miou"]) > 0
    again = tune("--grid", "k=1,8", "--json")
    assert again.code == 0 and "cache scores" not in again.err, "no photo goes through the models twice"
    told = json.loads(again.out)
    assert (told["figure"], told["images"], len(told["tried"])) == ("pq", 2, 2)
    assert told["held_out"]["before"]["map"] is not None
    settings = tmp_path / "out" / "settings.toml"
    photo = next((tmp_path / "drawn").glob("val_2*.png"))
    ran = run("segment", photo, "--store", built.store, "--config", settings, "--out", tmp_path / "answers")
    assert ran.code == 0, ran.err
    folders = sorted((tmp_path / "out" / "held_out").iterdir())
    ran = run("evaluate-diff", folders[0], folders[-1], "--json")
    assert ran.code == 0 and json.loads(ran.out)["images"] == 2


def test_a_file_says_what_is_tried(tune, toml):
    ran = tune("--grid-file", toml("[grid]\nk = [2]\n"), "--json")
    assert ran.code == 0 and json.loads(ran.out)["tried"][0]["values"] == {"k": 2}
    ran = tune("--grid-file", toml("[grid]\nk = [2]\n"), "--grid", "k=1")
    assert (ran.code, "--grid or --grid-file" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--grid", "gamma=0:2:3"], 2, "gamma: Input should be less than or equal to 1"),
        (["--grid", "depth=1,2"], 2, "a setting that scores are decided by"),
        (["--figure", "map"], 2, "a figure, one of pq"),
        (["--figure", "unseen.pq", "--grid", "k=1"], 3, "--seen says which classes are seen"),
        (["--search", "random"], 2, "--search grid or optuna"),
    ],
)
def test_what_cannot_be_is_told_in_three_parts(tune, more, code, words):
    ran = tune(*more)
    assert ran.code == code and words in ran.err and "Traceback" not in ran.err, ran.err


def test_shared_photos_are_named(tune, tmp_path):
    ran = tune(val=1)
    assert ran.code == 3 and "2 of the photos to tune on" in ran.err and "val_1_0000" in ran.err
    assert not (tmp_path / "out" / "scores").exists()
