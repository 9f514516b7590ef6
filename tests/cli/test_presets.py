"""`retclip presets`: what each needs, whether it is here, and what becomes of a command whose preset needs more."""

import json
import re

import pytest

from retclip.presets import APPEARANCE, PRESETS


@pytest.fixture(autouse=True)
def no_weights(monkeypatch, tmp_path):
    monkeypatch.setenv("RETCLIP_WEIGHTS__FOLDER", str(tmp_path / "weights"))


@pytest.fixture
def listed(run):
    def call(store):
        ran = run("presets", "--store", store, "--json")
        assert (ran.code, ran.err) == (0, "")
        return {one["name"]: one for one in json.loads(ran.out)}

    return call


def test_every_preset_with_what_is_here(listed, tmp_path):
    found = listed(tmp_path / "gone")
    assert list(found) == list(PRESETS)
    assert [name for name, one in found.items() if one["default"]] == [APPEARANCE]
    default = found[APPEARANCE]
    assert not default["ready"] and default["weights"] == [] and default["names"] == "store"
    assert default["store"] == {
        "needed": True, "votes": True, "folder": str(tmp_path / "gone"), "here": False, "state": "none yet",
        "backbones": [],
    }  # fmt: skip
    assert not found["fc-clip"]["ready"] and not found["fc-clip"]["store"]["needed"]
    assert {one["here"] for one in found["fc-clip"]["weights"]} == {False}
    assert found["miniature-fc-clip"]["ready"] and found["miniature-fc-clip"]["names"] == "any"
    assert found["miniature-finetune"]["for"] == "finetune"


def test_a_store_is_here_for_the_presets_of_its_backbone_alone(listed, built, run, tmp_path):
    found = listed(built.store)
    assert found[APPEARANCE]["ready"]
    assert not found["miniature"]["ready"]
    assert found["miniature"]["store"]["state"] == "other backbone"
    assert found["miniature"]["store"]["backbones"] == ["reference.colour_texture"]
    assert run("init", tmp_path / "empty").code == 0
    assert listed(tmp_path / "empty")[APPEARANCE]["store"]["state"] == "empty"


def test_as_a_table_with_what_to_do(run, built):
    ran = run("presets", "--store", built.store)
    rows = {row.split("\t")[0]: row.split("\t")[1:] for row in ran.out.splitlines()}
    assert rows["preset"] == ["ready", "store", "weights", "names", "what it is"]
    assert rows[f"{APPEARANCE} (default)"][0] == "yes"
    assert rows["fc-clip"][:3] == ["no", "needs none", "2897 MB not here"]
    assert "retclip weights pull --preset NAME" in ran.err


def test_on_a_terminal_of_80_columns_no_name_is_cut(run, built, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", run("presets", "--store", built.store).out).splitlines()
    assert max(map(len, lines)) <= 80
    for name in PRESETS:
        assert sum(name in line.split() for line in lines) >= 1, name
        assert any(line.startswith((f"  {name}: ", f"  {name} (default): ")) for line in lines)


@pytest.mark.usefixtures("own_plugins")
def test_a_plugin_that_is_not_installed_is_told(run, tmp_path):
    ran = run("presets", "--store", tmp_path / "gone")
    assert "fc-clip lacks the plugin openclip" in ran.err


def test_a_missing_store_is_told_with_the_presets_that_need_none(run, tmp_path, photos):
    ran = run("segment", photos, "--classes", "cat", "--store", tmp_path / "gone", "--out", tmp_path / "out")
    assert ran.code == 5
    assert "a preset that needs none: photos (ready" in ran.err and "miniature-fc-clip (ready" in ran.err
    assert "clip (not here: the weights openclip_ViT-L-14_openai, grounding_dino_base, sam_vit_b" in ran.err


@pytest.mark.parametrize(
    ("command", "preset"),
    [
        (("segment", "PHOTOS", "--classes", "cat"), "retclip-training-free"),
        (("evaluate", "SOURCE"), "retclip-training-free"),
        (("explain", "PHOTO", "--at", "1,1"), "fc-clip"),
        (("build", "SOURCE"), "retclip-training-free"),
        (("class", "add", "cat", "PHOTOS"), "retclip-training-free"),
        (("fallback", "fill", "--classes", "cat"), "retclip-training-free"),
        (("store", "add-space"), "knn-clip"),
    ],
    ids=" ".join,
)
def test_missing_weights_are_told_before_a_missing_store_and_nothing_is_made(
    run, tmp_path, photos, built, command, preset
):
    names = {"PHOTOS": photos, "PHOTO": photos / "good.png", "SOURCE": built.source}
    given = [names.get(one, one) for one in command]
    ran = run(*given, "--store", tmp_path / "gone", "--preset", preset)
    assert (ran.code, ran.out) == (6, ""), ran.err
    assert "expected the weights" in ran.err
    assert ("nor a store at" in ran.err) == (command[0] != "build")
    assert not (tmp_path / "gone").exists()


def test_a_preset_without_a_store_does_not_ask_for_one(run, tmp_path, photos):
    ran = run("segment", photos, "--store", tmp_path / "gone", "--preset", "fc-clip", "--classes", "cat")
    assert ran.code == 6 and "nor a store" not in ran.err


def test_stores_that_lie_beside_are_named(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "stores in this folder" not in run("class", "list").err
    for name in ("street", "animals"):
        assert run("init", name).code == 0
    ran = run("class", "list")
    assert ran.code == 5 and "stores in this folder: animals, street; choose with --store or RETCLIP_STORE" in ran.err


def test_a_vote_is_left_out_where_no_store_is_named_and_missed_where_one_is(run, built, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ("--classes", "sky,grass", "--preset", "miniature", "--set", "segment.without_store=true")
    ran = run("segment", built.photos / "train_0_0000.png", *flags)
    assert ran.code == 0 and "note: no store, so retrieval.vote is left out" in ran.err
    ran = run("segment", built.photos / "train_0_0000.png", *flags, "--store", "mistyped")
    assert ran.code == 5 and "mistyped" in ran.err
