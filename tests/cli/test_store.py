"""Two backbones in one store on the command line: added, asked with either, made incomplete, completed, and refused."""

import json
import shutil

import pytest

VAL = "reference.scenes:{}?split=val&count=1&width=96&height=64"
MODEL, COLOUR = "openclip.model", "reference.colour_texture"


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A store of two drawn scenes with vectors of both backbones; read it only."""
    import retclip
    from retclip.settings_file import write_settings

    root = tmp_path_factory.mktemp("two")
    with retclip.open(root / "store", create=True) as memory:
        memory.build(f"reference.scenes:{root / 'scenes'}?split=train&count=2&width=96&height=64")
    write_settings(root / "store", {}, None, "appearance")
    return root


@pytest.fixture
def store(two, tmp_path):
    """A copy that a test may change; its photos stay where they are."""
    return shutil.copytree(two / "store", tmp_path / "store")


@pytest.fixture
def spaces(run, store):
    def told():
        found = json.loads(run("store", "spaces", "--store", store, "--json").out)
        return {one["backbone"]: (one["lacking"], one["without"], one["complete"]) for one in found}

    return told


@pytest.fixture
def add(run, store):
    return lambda *more: run("store", "add-space", *more, "--store", store)


def test_both_are_asked_by_name_and_each_says_what_it_lacks(run, store, spaces, add, two, tmp_path):
    added = add("--preset", "miniature", "--json")
    assert added.code == 0, added.err
    report = json.loads(added.out)
    assert report["images"] == 2 and report["segments"] > 10 and report["failures"] == []
    assert f"wrote the settings of {MODEL} into" in added.err and "add-space 2/2" in added.err
    assert spaces() == {COLOUR: (0, 0, True), MODEL: (0, 0, True)}
    refused = run("store", "search", "--text", "sky", "--store", store)
    assert refused.code == 2 and f"--space {MODEL}" in refused.err, refused.err
    words = run("store", "search", "--text", "sky", "--space", MODEL, "--limit", "3", "--json", "--store", store)
    near = json.loads(words.out)["segments"]
    assert words.code == 0 and len(near) == 3 and near[0]["class"] == "sky", words.err
    assert run("store", "show", near[0]["segment"], "--space", MODEL, "--store", store).out.count(MODEL) >= 1
    photo, source = two / "scenes" / "train_0_0000.png", VAL.format(tmp_path / "val")
    for backbone in (COLOUR, MODEL):  # its settings stand in the store's file
        chosen = ("--store", store, "--backbone", backbone)
        assert run("segment", photo, *chosen, "--out", tmp_path / backbone).code == 0
        found = run("evaluate", source, *chosen, "--proposer", "reference.ground_truth", "--json")
        assert found.code == 0 and json.loads(found.out)["settings"]["backbone"]["name"] == backbone
        why = run("explain", tmp_path / backbone / "train_0_0000.evidence.npz", "--segment", "1", "--store", store)
        assert why.code == 0 and "retrieval.vote" in why.out
        told = f"run 2, the vectors that were searched: backbone {MODEL}"
        assert (told in why.err) == (backbone == MODEL) and "run 1, reference.scenes:" in why.err
    assert run("build", source, "--store", store, "--backbone", MODEL).code == 0
    assert spaces()[MODEL] == (0, 0, True) and spaces()[COLOUR][0] > 3
    for ask in (("segment", photo, "--out", tmp_path / "out"), ("evaluate", source), ("explain", photo, "--at", "9,9")):
        refused = run(*ask, "--store", store)
        assert refused.code == 5 and refused.out == ""
        assert "segments have no vector in this space" in refused.err
        assert f"retclip store add-space --backbone {COLOUR} --store {store}" in refused.err
    assert add("--backbone", COLOUR).code == 0 and spaces()[COLOUR] == (0, 0, True)
    assert run("segment", photo, "--store", store, "--out", tmp_path / "out").code == 0


def test_a_class_that_is_added_with_one_is_asked_for_in_the_other(run, store, spaces, add, photos, two, tmp_path):
    assert add("--preset", "miniature").code == 0
    (photos / "bad.png").unlink()
    assert run("class", "add", "kayak", photos, "--proposer", "reference.whole_image", "--store", store).code == 0
    assert spaces() == {COLOUR: (0, 0, True), MODEL: (1, 0, False)}
    ask = (
        "segment",
        two / "scenes" / "train_0_0000.png",
        "--store",
        store,
        "--backbone",
        MODEL,
        "--out",
        tmp_path / "o",
    )
    assert "1 of" in run(*ask).err and run(*ask).code == 5
    doctor = json.loads(run("doctor", "--store", store, "--json").out)
    found = {one["what"].split(" (")[0]: one for one in doctor if "space" in one["what"] or "index" in one["what"]}
    assert found[f"space {COLOUR}"]["ok"] and not found[f"space {MODEL}"]["ok"]
    assert "store add-space" in found[f"space {MODEL}"]["cure"]
    assert found[f"index of {COLOUR}"]["ok"] and found[f"index of {MODEL}"]["ok"]
    assert add("--backbone", MODEL).code == 0 and run(*ask).code == 0
    number = json.loads(run("class", "history", "kayak", "--store", store, "--json").out)[-1]["id"]
    assert run("undo", number, "--store", store).code == 0 and run(*ask).code == 0
    assert run("doctor", "--store", store).code == 0


def test_lost_photos_are_listed_and_block_until_they_are_accepted(run, labelled, add, tmp_path, monkeypatch):
    root, whole = labelled
    (root / "labels" / "b.png").write_bytes(whole)
    assert run("build", f"label-maps:{root}", "--store", tmp_path / "own").code == 0
    (root / "images" / "b.png").rename(root / "kept.png")
    command = ("store", "add-space", "--preset", "miniature", "--store", tmp_path / "own")
    ran = run(*command)
    assert ran.code == 7 and "b.png" in ran.err and "--accept-failed" in ran.err
    assert "b.png" in (tmp_path / "own" / "failures.csv").read_text()
    ask = ("segment", root / "kept.png", "--store", tmp_path / "own", "--backbone", MODEL, "--out", tmp_path / "o")
    assert run(*ask).code == 5
    assert run(*command, "--accept-failed").code == 7 and run(*ask).code == 0
    ran = run(*command)
    assert ran.code == 0 and "1 go without" in ran.err
    assert not (tmp_path / "own" / "failures.csv").exists()
    (root / "kept.png").rename(root / "images" / "b.png")
    ran = run(*command)
    assert ran.code == 0 and "0 go without" in ran.err


def test_where_nothing_can_be_used_it_is_a_data_error(run, labelled, tmp_path):
    root, whole = labelled
    (root / "labels" / "b.png").write_bytes(whole)
    assert run("build", f"label-maps:{root}", "--store", tmp_path / "own").code == 0
    shutil.rmtree(root)
    ran = run("store", "add-space", "--preset", "miniature", "--store", tmp_path / "own")
    assert ran.code == 3 and "2 failures" in ran.err


def test_other_settings_of_the_same_backbone_are_another_space(run, store, add, two, tmp_path):
    settings = (store / "retclip.toml").read_text()
    other = ("--set", "plugin.reference.colour_texture.grid=20")
    ran = add("--backbone", COLOUR, *other)
    assert ran.code == 0 and "same --set flags" in ran.err
    assert (store / "retclip.toml").read_text() == settings, "the first space must still be found"
    ask = ("segment", two / "scenes" / "train_0_0000.png", "--store", store, "--out", tmp_path / "o")
    assert run(*ask).code == 0 and run(*ask, *other).code == 0
    assert run("build", VAL.format(tmp_path / "val"), "--store", store).code == 0
    ran = run(*ask, *other)
    assert ran.code == 5 and "with the settings of this command (--set)" in ran.err
    assert add("--backbone", COLOUR, *other).code == 0 and run(*ask, *other).code == 0
    ran = run(*ask, "--set", "plugin.reference.colour_texture.grid=41")
    assert ran.code == 5 and "retclip store add-space" in ran.err


def test_the_table_of_spaces(run, store):
    ran = run("store", "spaces", "--store", store)
    head, row = (line.split("\t") for line in ran.out.splitlines())
    assert head == ["backbone", "weights", "dim", "segments", "lacking", "without", "complete", "index", "space"]
    assert row[0] == COLOUR and row[6] == "yes" and row[7].startswith("edge seg__")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--backbone", "reference.nothing"), 4, "reference.nothing"),
        (("--preset", "nothing"), 2, "preset"),
        (("--backbone", MODEL), 2, "Field required"),
    ],
)
def test_what_cannot_be_is_told_in_three_parts(add, store, arguments, code, words):
    settings = (store / "retclip.toml").read_text()
    ran = add(*arguments)
    assert ran.code == code and words in ran.err and "to do" in ran.err
    assert (store / "retclip.toml").read_text() == settings


def test_an_empty_store_is_built_first(run, tmp_path):
    assert run("init", tmp_path / "empty").code == 0
    ran = run("store", "add-space", "--backbone", COLOUR, "--store", tmp_path / "empty")
    assert ran.code == 5 and "retclip build" in ran.err
    assert run("store", "spaces", "--store", tmp_path / "empty", "--json").out.strip() == "[]"
