"""A class renamed, merged, removed, added and undone on the command line; and what is said where it cannot be."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("own_plugins")


@pytest.fixture
def store(run, tmp_path):
    """A store of two drawn scenes."""
    source = f"reference.scenes:{tmp_path / 'scenes'}?split=train&count=2&width=96&height=64"
    assert run("build", source, "--store", tmp_path / "store").code == 0
    return tmp_path / "store"


@pytest.fixture
def classes(run, store):
    def found():
        listed = json.loads(run("class", "list", "--store", store, "--json").out)
        return {one["name"]: one["segments"] for one in listed}

    return found


def event(ran):
    assert ran.code == 0, ran.err
    return json.loads(ran.out)["event"]


def test_every_change_can_be_looked_up_and_undone(run, store, classes):
    before = classes()
    renamed = event(run("class", "rename", "sky", "heaven", "--store", store, "--json"))
    assert "heaven" in classes() and "sky" not in classes()
    merged = run("class", "merge", "grass", "heaven", "--store", store)
    assert merged.code == 0 and "retclip undo" in merged.err
    assert classes()["heaven"] == before["sky"] + before["grass"]
    shown = run("class", "history", "--store", store)
    rows = [line.split("\t") for line in shown.out.splitlines()]
    assert rows[0] == [
        "event", "when", "who", "what", "of", "now", "segments", "undone by", "why", "before -> after", "masks by"
    ]  # fmt: skip
    assert [row[3:6] for row in rows[1:]] == [["class.rename", "sky", "heaven"], ["class.merge", "grass", "heaven"]]
    assert rows[2][6] == str(before["grass"]), "how many segments changed"
    number = json.loads(run("class", "history", "grass", "--store", store, "--json").out)[-1]["id"]
    for one in (number, renamed):
        assert run("undo", one, "--store", store).code == 0
    assert classes() == before
    rows = [line.split("\t") for line in run("class", "history", "--store", store).out.splitlines()]
    assert [(row[3], row[7]) for row in rows[1:]] == [
        ("class.rename", rows[4][0]), ("class.merge", rows[3][0]), ("undo", ""), ("undo", "")
    ]  # fmt: skip


def test_a_class_is_added_undone_and_removed(run, store, classes, photos):
    before = classes()
    (photos / "bad.png").unlink()
    added = ("class", "add", "kayak", photos, "--proposer", "reference.whole_image", "--store", store)
    assert run(*added).code == 0 and classes()["kayak"] == 1
    number = json.loads(run("class", "history", "kayak", "--store", store, "--json").out)[-1]["id"]
    undone = run("undo", number, "--store", store)
    assert undone.code == 0 and "1 segment changed" in undone.err and classes() == before
    told = json.loads(run("class", "history", "kayak", "--store", store, "--json").out)
    assert [one["action"] for one in told] == ["class.add", "undo"], "also of a class that is gone"
    assert run(*added).code == 0 and classes()["kayak"] == 1, "what was undone may be done again"
    assert run("class", "alias", "kayak", "canoe", "--store", store).code == 0
    assert run("class", "remove", "canoe", "--store", store).code == 0 and classes() == before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("class", "rename", "skye", "heaven"), ("'skye'", "sky")),
        (("class", "rename", "sky", "grass"), ("'grass' is taken",)),
        (("class", "remove", "kayak"), ("class of the store",)),
        (("class", "history", "kayak"), ("class of the store",)),
        (("undo", "99"), ("number of an event", "class history")),
    ],
)
def test_what_cannot_be_is_told_in_three_parts(run, store, command, words):
    ran = run(*command, "--store", store)
    assert ran.code == 3 and ran.out == ""
    for word in words:
        assert word in ran.err


def test_a_store_that_is_not_there(run, tmp_path):
    ran = run("class", "rename", "a", "b", "--store", tmp_path / "nowhere")
    assert ran.code == 5 and "nowhere" in ran.err


def test_the_store_as_of_an_event_and_what_differs_can_be_asked(run, store, classes):
    before = classes()
    merged = event(run("class", "merge", "grass", "sky", "--store", store, "--json"))
    assert run("undo", merged, "--store", store).code == 0 and classes() == before
    log = json.loads(run("log", "--store", store, "--json").out)
    assert len(log["chain"]["head"]) == 64 and log["chain"]["links"] >= len(log["events"])
    log = log["events"]
    built, merge, undo = log[0]["id"], log[-2], log[-1]
    assert (log[0]["action"], merge["id"], merge["undone_by"], undo["undoes"]) == ("build", merged, undo["id"], merged)
    assert "class.merge" in run("log", "--store", store).out

    def at(number):
        told = json.loads(run("log", "--at", number, "--store", store, "--json").out)
        return {one["name"]: one["segments"] for one in told}

    assert at(built) == at(undo["id"]) == before
    assert at(merged)["sky"] == before["sky"] + before["grass"] and "grass" not in at(merged)
    told = json.loads(run("diff", built, merged, "--store", store, "--json").out)
    assert len(told["segments"]) == before["grass"] and [one["merged_after"] for one in told["classes"]] == ["sky"]
    assert json.loads(run("diff", built, undo["id"], "--store", store, "--json").out) == {"classes": [], "segments": []}
    assert "grass, mask 1" in run("diff", built, merged, "--store", store).out
    assert run("diff", built, 99, "--store", store).code == 3
