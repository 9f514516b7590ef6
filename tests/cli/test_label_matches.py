"""Which class of the store stood for a name that is spelled otherwise is said, in the data and in run.json, too."""

import json

import pytest

SIZE = "width=96&height=64"


@pytest.fixture
def store(own_plugins, run, tmp_path):
    where = tmp_path / "store"
    assert run("build", f"reference.scenes:{tmp_path / 'home'}?split=train&count=4&{SIZE}", "--store", where).code == 0
    return where


def test_segment_says_that_a_synonym_stood_for_a_name(run, store, tmp_path):
    photo = next((tmp_path / "home").glob("*.png"))
    (tmp_path / "names.txt").write_text("automobile, car\nsky\nunicorn\n")
    ran = run(
        "segment", photo, "--classes", tmp_path / "names.txt", "--store", store, "--out", tmp_path / "out", "--json"
    )
    assert "note: 'car' of the store stands for 'automobile' (a synonym)" in ran.err and "for 'sky'" not in ran.err
    told = [{"name": "automobile", "class": "car", "how": "synonym", "similarity": 1.0}]
    assert json.loads(ran.out)["matches"] == told


def test_names_that_one_class_of_the_store_stands_for_are_said(run, store, tmp_path):
    photo = next((tmp_path / "home").glob("*.png"))
    (tmp_path / "names.txt").write_text("automobile, car\nsky\ncar\n")
    asked = ("segment", photo, "--store", store, "--out", tmp_path / "out", "--classes")
    said = run(*asked, tmp_path / "names.txt").err
    assert "note: the store cannot tell 'automobile', 'car' apart: each is its 'car'" in said
    assert "cannot tell" not in run(*asked, "car,sky").err


def test_evaluate_keeps_the_matches_in_its_settings_and_in_run_json(run, store, tmp_path):
    assert run("class", "rename", "car", "motorcar", "--store", store).code == 0
    source = f"reference.scenes:{tmp_path / 'val'}?split=val&count=1&{SIZE}"
    ran = run("evaluate", source, "--store", store, "--out", tmp_path / "run", "--json")
    assert "'motorcar' of the store stands for 'car'" in ran.err
    told = json.loads(ran.out)["settings"]["matches"]
    assert [(match["name"], match["class"]) for match in told] == [("car", "motorcar")]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["configuration"]["settings"]["matches"] == told


def test_a_match_by_text_is_said_with_its_cosine_and_what_to_do(run, tmp_path):
    where, scenes = tmp_path / "small", f"miniature.scenes:{tmp_path / 'scenes'}?"
    built = run("build", f"{scenes}split=store&count=4&things=car", "--preset", "miniature", "--store", where)
    assert built.code == 0, built.err
    photo = next((tmp_path / "scenes").glob("*.png"))
    asked = ("segment", photo, "--classes", "cars", "--preset", "miniature", "--store", where, "--out", tmp_path / "o")
    assert "stands for" not in run(*asked).err, "a tower this small compares no texts"
    ran = run(*asked, "--set", "matching.threshold=0.5")
    assert "of the store stands for 'cars' (by text, similarity 0." in ran.err
    assert "retclip fallback map NAME CLASS" in ran.err
