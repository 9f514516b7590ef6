"""With --json, stdout is one JSON document and nothing else; what is said to people goes to stderr."""

import json
from importlib.metadata import version

import pytest

pytestmark = pytest.mark.usefixtures("own_plugins")
RESIDENT = ("--set", "store.index=resident")


@pytest.fixture
def told(run, built):
    """Run with --json against the built store; the document and the whole call."""

    def call(*arguments, store=True, code=0):
        ran = run(*arguments, *(("--store", built.store) if store else ()), "--json")
        assert ran.code == code, ran.err
        return json.loads(ran.out), ran

    return call


@pytest.fixture
def evidence(run, built, tmp_path):
    """An evidence file of the first training scene."""
    photo = built.photos / "train_0_0000.png"
    assert run("segment", photo, "--store", built.store, "--out", tmp_path / "out", *RESIDENT).code == 0
    return tmp_path / "out" / "train_0_0000.evidence.npz"


def test_class_list(told, memory):
    found, ran = told("class", "list")
    assert {one["name"]: one["segments"] for one in found} == {one.name: one.segments for one in memory.classes.list()}
    assert set(found[0]) == {"id", "name", "is_thing", "aliases", "segments", "images", "negatives"}
    assert ran.err == ""


def test_plugins_list_and_info(told):
    found, _ = told("plugins", "list", store=False)
    assert found["failures"] == []
    assert "reference.colour_texture" in {one["name"] for one in found["components"]}
    about, ran = told("plugins", "info", "superpixels", store=False)
    assert (about["kind"], about["name"]) == ("proposer", "reference.superpixels")
    assert about["settings"]["count"]["default"] == 300
    assert "text_threshold" not in about
    assert ran.err == ""


def test_doctor(told):
    found, ran = told("doctor")
    assert {one["what"] for one in found} >= {"python", "torch", "disk", "schema", "archive", "index"}
    assert all(one["ok"] for one in found)
    assert ran.err == ""


def test_doctor_leaves_out_what_is_disabled_in_the_file(run, tmp_path, monkeypatch):
    monkeypatch.delenv("RETCLIP_PLUGINS__DISABLED", raising=False)  # it would count for more than the file
    (tmp_path / "c.toml").write_text('[plugins]\ndisabled = ["zero_shot"]\n')
    assert "zero_shot" in run("doctor").out
    assert "zero_shot" not in run("doctor", "--config", tmp_path / "c.toml").out


def test_doctor_says_with_its_exit_code_that_something_is_wrong(run, tmp_path):
    ran = run("doctor", "--store", tmp_path / "gone", "--json")
    assert ran.code == 1
    (wrong,) = [one for one in json.loads(ran.out) if not one["ok"]]
    assert wrong["what"] == "store"


def test_db_current_and_check(told):
    found, _ = told("db", "current")
    assert found["store"] == found["program"] is not None
    found, ran = told("db", "check")
    assert found == {"differences": []}
    assert "as it should be" in ran.err


def test_evaluate(told, built):
    found, ran = told("evaluate", built.source, "--proposer", "reference.ground_truth", *RESIDENT)
    assert found["images"] == 6
    assert 0 < found["miou"] <= 100
    assert 0 < found["map"] <= found["map50"] <= 100
    assert found["per_class"]["sky"]["tp"] + found["per_class"]["sky"]["fn"] == 6
    assert "evaluate 6/6" in ran.err


def test_segment_and_explain(told, built, evidence, tmp_path):
    photo = built.photos / "train_0_0001.png"
    found, ran = told("segment", photo, "--out", tmp_path / "more", *RESIDENT)
    assert found["out"] == str(tmp_path / "more")
    assert found["failures"] == []
    assert [(one["name"], one["uri"]) for one in found["images"]] == [("train_0_0001", str(photo))]
    assert "1 photo segmented" in ran.err
    found, ran = told("explain", evidence, "--segment", "1")
    assert found["segment"]["id"] == 1
    assert found["neighbours"][0]["stored"]["image_uri"].endswith(".png")
    votes = found["vote"]["scores"]
    for name, score in votes.items():
        shares = [near["share"] for near in found["neighbours"] if near["class_then"] == name]
        assert sum(shares) == pytest.approx(score, abs=1e-5) and len(shares) == found["counts"][name]
    assert votes.items() >= {n: s for n, s in found["scores"]["retrieval.vote"].items() if s}.items()
    assert found["verdict"] == f"{found['segment']['class_name']}, and so says the vote"
    assert found["vote"]["rule"].startswith("each neighbour counts 1 / (2 + rank)")
    assert len(found["neighbours"][0]["id"]) == 36
    stored = found["neighbours"][0]["stored"]
    assert stored["source"] == built.source and stored["score"] == 1.0
    assert (stored["detector_score"], stored["mask_score"]) == (None, None)
    assert stored["components"]["backbone"]["name"] == "reference.colour_texture"
    assert stored["components"]["proposer"]["weights"] == {}
    reader = stored["components"]["source"]
    assert reader == {"name": "reference.scenes", "version": version("retclip-reference")}
    assert ran.err == ""


def test_explain_names_the_segment_under_a_pixel_and_writes_the_picture(told, evidence, tmp_path):
    picture = tmp_path / "why.png"
    found, ran = told("explain", evidence, "--at", "48, 2", "--picture", picture)
    assert found["segment"]["class_name"] == "sky"
    assert picture.is_file()
    assert f"wrote {picture}" in ran.err


@pytest.mark.parametrize("choice", [(), ("--segment", "1", "--at", "1,1"), ("--at", "1"), ("--at", "x,y")])
def test_explain_wants_one_segment(run, built, evidence, choice):
    ran = run("explain", evidence, *choice, "--store", built.store, "--json")
    assert (ran.code, ran.out) == (2, "")


def test_explain_of_what_was_decided_takes_no_choice_of_models(run, built, evidence):
    given = ("--backbone", "reference.appearance", "--classes", "sky")
    ran = run("explain", evidence, "--segment", "1", "--store", built.store, *given)
    assert (ran.code, ran.out) == (2, "") and "decided already, with --classes, --backbone" in ran.err


def test_explain_of_a_photo_segments_it_first(told, built):
    photo = built.photos / "train_0_0000.png"
    found, _ = told("explain", photo, "--at", "48,2", "--classes", "sky,grass", *RESIDENT)
    assert found["segment"]["class_name"] == "sky"
    assert found["image_uri"] == str(photo)


def test_build_and_class_add(run, labelled, tmp_path):
    root, whole = labelled
    (root / "labels" / "b.png").write_bytes(whole)
    store = ("--store", tmp_path / "store")
    ran = run("build", f"label-maps:{root}", *store, "--without", "grass", "--json")
    assert (ran.code, json.loads(ran.out)["empty"]) == (0, 2)
    ran = run("class", "add", "GRASS", f"label-maps:{root}", *store, "--json")
    assert json.loads(ran.out)["per_class"] == {"grass": 2}
    assert "2 segments; the store now holds 2" in ran.err
    ran = run("class", "add", "grass", f"label-maps:{root}", f"label-maps:{root}", *store, "--json")
    assert [one["skipped"] for one in json.loads(ran.out)] == [2, 2]


def test_a_partial_failure_still_prints_the_whole_document(run, built, photos, tmp_path):
    ran = run("segment", photos, "--store", built.store, "--out", tmp_path / "out", "--json", *RESIDENT)
    assert ran.code == 7
    document = json.loads(ran.out)
    assert [one["name"] for one in document["images"]] == ["good"]
    assert [one["external_id"] for one in document["failures"]] == ["bad.png"]


def test_classes_the_store_does_not_have_are_said_on_stderr(run, built, photos, tmp_path):
    classes = ("--classes", "sky, gras, unicorn")
    ran = run("segment", photos / "good.png", "--store", built.store, "--out", tmp_path / "o", *classes, "--json")
    assert json.loads(ran.out)["failures"] == []
    assert "no segments of 'gras' (nearest: 'grass')" in ran.err
    assert "no segments of 'unicorn';" in ran.err


def test_explain_as_a_table_says_who_made_each_neighbour(run, built, evidence):
    ran = run("explain", evidence, "--segment", "1", "--store", built.store)
    head, *rows = (line.split("\t") for line in ran.out.splitlines() if "\t" in line)
    assert ran.code == 0 and rows
    for row in rows:
        known = dict(zip(head, row, strict=True))
        assert known["made by"].startswith("reference.ground_truth ") and known["weights"] == "none"
        assert (known["detector"], known["mask"]) == ("", "")
    assert f"run 1, {built.source}: proposer reference.ground_truth" in ran.err
