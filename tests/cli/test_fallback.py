"""Missing classes on the command line: filled only when asked, listed, accepted, rejected, mapped, and told."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("own_plugins")
SIZE = "split=train&width=96&height=64"


@pytest.fixture
def world(run, tmp_path, monkeypatch):
    """A store of drawn scenes without three of their classes, and other scenes as the fallback data set."""
    store = tmp_path / "store"
    lacking = [part for name in ("ball", "boat", "sun") for part in ("--without", name)]
    assert run("build", f"reference.scenes:{tmp_path / 'home'}?count=8&{SIZE}", *lacking, "--store", store).code == 0
    monkeypatch.setenv("RETCLIP_FALLBACK__SOURCE", f"reference.scenes:{tmp_path / 'world'}?count=12&seed=5&{SIZE}")
    (tmp_path / "names.txt").write_text("sky\nautomobile, car\nball\nunicorn\nmoon, sun\n")
    return store


@pytest.fixture
def told(run, world):
    """Run with --json against that store; the document and what was said."""

    def call(*arguments, code=0):
        ran = run(*arguments, "--store", world, "--json")
        assert ran.code == code, ran.err
        return json.loads(ran.out), ran.err

    return call


@pytest.fixture
def names(tmp_path):
    return ("--classes", tmp_path / "names.txt")


@pytest.fixture
def segment(told, tmp_path, names):
    photo = tmp_path / "home" / "train_0_0000.png"
    return lambda *more: told("segment", photo, *names, "--out", tmp_path / "out", *more)


def states(document):
    return {one["name"]: one["state"] for one in document["outcomes"]}


def classes(told):
    return {one["name"]: one["segments"] for one in told("class", "list")[0]}


def test_segmenting_says_what_is_missing_and_fills_only_when_asked(segment, told):
    before = classes(told)
    document, said = segment()
    assert "fill" not in document and classes(told) == before
    assert "no segments of 'ball'" in said and said.count("fetch some: --fill-missing") == 3
    document, said = segment("--fill-missing")
    wanted = {"sky": "there", "automobile": "matched", "ball": "filled", "unicorn": "missing", "moon": "filled"}
    assert states(document["fill"]) == wanted and classes(told)["moon"] > 0
    assert "moon: " in said and "of 'sun' of scenes (synonym)" in said
    assert "missing 'unicorn': nothing is called so" in said and "reads no text" in said and "no segments" not in said
    assert "'moon' of the store stands for 'moon' (fetched as 'sun' of scenes)" in said
    assert "stands for 'ball'" not in said, "it was fetched under the name that it has everywhere"
    again, said = segment("--fill-missing")
    assert [one["images"] for one in again["fill"]["outcomes"]] == [0] * 5 and "fill ball" not in said


def test_without_a_fallback_data_set_the_hint_is_another_one(segment, monkeypatch):
    monkeypatch.delenv("RETCLIP_FALLBACK__SOURCE")
    _, said = segment()
    assert said.count("add some: retclip class add") == 3 and "--fill-missing" not in said


def test_evaluating_fills_the_classes_of_the_source(told, tmp_path):
    source = f"reference.scenes:{tmp_path / 'home'}?count=2&{SIZE}"
    found, said = told("evaluate", source, "--proposer", "reference.ground_truth")
    assert found["missing"] == ["ball", "boat", "sun"] and "no segments of 'boat'" in said
    found, _ = told("evaluate", source, "--proposer", "reference.ground_truth", "--fill-missing")
    assert found["missing"] == [] and states(found["fill"])["boat"] == "filled"


def test_decisions_are_listed_accepted_rejected_and_mapped(told, names, segment):
    document, _ = told("fallback", "fill", *names)
    assert states(document)["ball"] == "filled"
    listed, _ = told("fallback", "list")
    assert [(one["query"], one["how"], one["decision"]) for one in listed] == [
        ("automobile", "synonym", "auto"), ("ball", "exact", "auto"), ("unicorn", "missing", "auto"),
        ("moon", "synonym", "auto"),
    ]  # fmt: skip
    accepted, said = told("fallback", "accept", "ball", "--reason", "round")
    assert (accepted["decision"], accepted["reason"]) == ("accepted", "round") and "stands for ball" in said
    rejected, _ = told("fallback", "reject", "moon")
    assert rejected["segments"] > 0 and "moon" not in classes(told)
    rejected, _ = told("fallback", "reject", "automobile")
    assert rejected == {"event": None, "segments": 0}
    _, said = segment()
    assert "no segments of 'automobile'" in said and "no segments of 'moon'" in said
    mapped, _ = told("fallback", "map", "automobile", "house")
    assert mapped["outcomes"][0]["matched"] == "house" and "no segments of 'automobile'" not in segment()[1]
    mapped, _ = told("fallback", "map", "moon", "boat")
    assert mapped["outcomes"][0]["dataset"] == "scenes" and classes(told)["moon"] > 0
    assert len(told("fallback", "list")[0]) == 4
    history, _ = told("fallback", "list", "moon", "--history")
    assert [one["decision"] for one in history] == ["auto", "rejected", "accepted"]


def test_a_fill_is_undone_and_another_look_is_taken_only_when_asked(told, names):
    before = classes(told)
    document, _ = told("fallback", "fill", *names)
    events = [one["event"] for one in document["outcomes"] if one["event"]]
    assert [one["action"] for one in told("class", "history")[0]] == ["class.fill"] * 2
    for event in events:
        told("undo", event)
    assert classes(told) == before
    document, _ = told("fallback", "fill", *names)
    assert states(document)["ball"] == "missing" and "rejected by" in document["outcomes"][2]["reason"]
    told("fallback", "fill", *names, "--again")
    assert classes(told) == before, "what was rejected is not proposed again"


def test_the_tables_for_people(run, world, names):
    ran = run("fallback", "fill", *names, "--store", world)
    assert ran.code == 0 and "1 there, 1 matched, 2 filled, 1 missing" in ran.err
    head, *rows = [line.split("\t") for line in ran.out.splitlines()]
    assert head[:5] == ["name", "state", "class", "of", "how"] and rows[2][:5] == [
        "ball",
        "filled",
        "ball",
        "scenes",
        "exact",
    ]
    assert "2 filled (2 of them before)" in run("fallback", "fill", *names, "--store", world).err
    ran = run("fallback", "list", "--store", world)
    assert ran.out.splitlines()[1].split("\t")[:7] == [
        "automobile",
        "car",
        "the store",
        "synonym",
        "",
        "> 0.95",
        "auto",
    ]


def test_explaining_says_how_the_class_was_matched(run, world, segment, tmp_path):
    segment("--fill-missing")
    evidence = tmp_path / "out" / "train_0_0000.evidence.npz"
    ran = run("explain", evidence, "--at", "48,2", "--store", world, "--json")
    assert json.loads(ran.out)["match"]["how"] == "exact"


def test_photos_that_cannot_be_read_are_listed(run, world, tmp_path, labelled, monkeypatch):
    root, _ = labelled
    monkeypatch.setenv("RETCLIP_FALLBACK__SOURCE", f"label-maps:{root}")
    (root / "classes.txt").write_text("meadow\nsky\n")
    ran = run("fallback", "fill", "--classes", "meadow,sky", "--store", world)
    assert ran.code in (3, 7) and "failures.csv" in ran.err
    assert "b.png" in (world / "failures.csv").read_text()
    out = tmp_path / "segmented"
    ran = run("segment", root / "images", "--classes", "meadow,sky", "--fill-missing", "--store", world, "--out", out)
    assert ran.code == 7 and "b.png" in (out / "failures.csv").read_text()


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (("fallback", "accept", "zebra"), 3, ("'zebra'", "fallback fill")),
        (("fallback", "reject", "zebra"), 3, ("'zebra'", "fallback list")),
        (("fallback", "map", "zebra", "skyy"), 3, ("'skyy'", "did you mean 'sky'")),
        (("fallback", "map", "sky", "boat"), 3, ("'sky', which it has", "class add")),
        (("fallback", "fill", "--classes", " "), 3, ("1 to 200",)),
        (("segment", "x.png", "--fill-missing"), 2, ("--classes",)),
    ],
)
def test_what_cannot_be_is_told_in_three_parts(run, world, command, code, words):
    ran = run(*command, "--store", world)
    assert (ran.code, ran.out) == (code, "") and "to do" in ran.err
    for word in words:
        assert word in ran.err


@pytest.mark.parametrize("command", [("fill", "--classes", "sky"), ("list",), ("accept", "x"), ("map", "x", "y")])
def test_a_store_that_is_not_there(run, tmp_path, command):
    ran = run("fallback", *command, "--store", tmp_path / "nowhere")
    assert ran.code == 5 and "nowhere" in ran.err
