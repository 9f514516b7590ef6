"""`retclip segment` by a network's own labels: names of one's own without a store, and which names nobody knows."""

import json

import numpy as np
import pytest
from PIL import Image

from retclip.presets import PRESETS


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.linear_gradient("L").convert("RGB").resize((96, 64)).save(path)
    return path


def test_names_need_no_store_and_those_that_nobody_knows_are_told(run, photo, tmp_path):
    ran = run("segment", photo, "--preset", "imagenet", "--classes", "cat, espresso, sky", "--out", tmp_path / "out")
    assert ran.code in (0, 7), ran.err  # a gradient may be neither: then nothing is labelled
    assert "nothing will be called 'sky' (timm.labels: none of the 1000)" in ran.err
    assert "'cat'" not in ran.err and "store has no segments" not in ran.err


def test_of_what_the_store_lacks_it_says_who_names_it(run, photo, tmp_path):
    store = ("--store", tmp_path / "store")
    assert run("init", tmp_path / "store", "--preset", "photos").code == 0
    assert run("class", "add", "sky", photo, "--crops", "--stuff", *store).code == 0
    ran = run("segment", photo, *store, "--classes", "sky, cat, lawn", "--out", tmp_path / "out")
    assert ran.code in (0, 7), ran.err
    assert "note: the store has no segments of 'cat': timm.labels alone names it; add some" in ran.err
    assert "note: the store has no segments of 'lawn'" in ran.err and "'lawn': timm" not in ran.err
    assert "nothing will be called 'lawn'" in ran.err and "of 'sky'" not in ran.err


def test_clip_reads_any_name_beside_a_store_of_the_same_network(run, photo, tmp_path):
    """photos+clip with the small tower that ships; with its own, the weights are named before anything is loaded."""
    store = ("--store", tmp_path / "store")
    assert run("init", tmp_path / "store", "--preset", "photos").code == 0
    assert run("class", "add", "sky", photo, "--crops", "--stuff", *store).code == 0
    asked = ("segment", photo, "--classes", "sky, quokka", "--preset", "photos+clip", *store)
    ran = run(*asked, "--out", tmp_path / "none")
    assert ran.code == 6 and "retclip weights pull openclip_convnext_large" in ran.err
    tower = PRESETS["miniature"]["plugin"]["openclip"]["model"].items()
    small = (part for key, value in tower for part in ("--set", f"plugin.openclip.model.{key}={value}"))
    ran = run(*asked, "--backbone", "openclip.model", *small, "--out", tmp_path / "out", "--json")
    assert ran.code in (0, 7), ran.err
    assert "no segments of 'quokka': zero_shot.clip_text alone names it" in ran.err
    with np.load(next((tmp_path / "out").glob("*.npz")), allow_pickle=False) as evidence:
        about = json.loads(str(evidence["about"]))
        assert [one["classifier"] for one in about["scores"]] == ["retrieval.vote", "zero_shot.clip_text"]
        assert about["settings"]["keys"]["name"] == "timm.lite0" and (evidence["certainty_0"] > 0).any()


def test_what_is_none_of_the_names_stays_without_a_label(run, photo, tmp_path):
    """Of a gradient the network does not say that it is a cat; with `rest` = 0 every mask gets a name."""
    asked = ("segment", photo, "--preset", "imagenet", "--classes", "cat", "--json")
    shares = {}
    for name, rest in (("open", 0.7), ("closed", 0)):
        ran = run(*asked, "--out", tmp_path / name, "--set", f"plugin.timm.labels.rest={rest}")
        shares[name] = json.loads(ran.out)["images"][0]["labelled"]
    assert shares == {"open": 0.0, "closed": 1.0}


def test_beside_a_backbone_without_labels_it_is_refused(run, photo):
    ran = run("segment", photo, "--preset", "imagenet", "--backbone", "timm.model", "--classes", "cat")
    assert ran.code == 2
    assert "timm.labels" in ran.err and "which names no labels" in ran.err


def test_the_table_of_presets_says_whose_names_they_know(run, tmp_path):
    found = {one["name"]: one["names"] for one in json.loads(run("presets", "--json", "--store", tmp_path / "no").out)}
    assert (found["imagenet"], found["photos"], found["appearance"]) == ("own", "store and own", "store")
    assert found["fc-clip"] == "any"
