"""`class add --check`: what flipped is shown; a class that costs the others too much goes back, with an exit code."""

import json

import pytest

pytestmark = pytest.mark.usefixtures("own_plugins")


@pytest.fixture
def world(run, tmp_path):
    """A store of drawn scenes that lacks cars and boats, more scenes to add them from, and a probe."""
    scenes = f"reference.scenes:{tmp_path / 'scenes'}?width=96&height=64"
    train, probe = f"{scenes}&split=train&count=6", f"{scenes}&split=val&count=3"
    store = tmp_path / "store"
    assert run("build", train, "--store", store, "--without", "car", "--without", "boat").code == 0
    return store, train, probe


def held(run, store):
    return json.loads(run("class", "list", "--store", store, "--json").out)


def test_what_flipped_is_shown_and_the_class_stays(run, world):
    store, train, probe = world
    ran = run("class", "add", "boat", train, "--check", probe, "--store", store)
    assert ran.code == 0, ran.err
    header, first = (line.split("\t") for line in ran.out.splitlines()[:2])
    assert header[:4] == ["class", "pixels before", "after", "to boat"] and header[-4:-2] == ["IoU before", "after"]
    assert first[0] == "boat" and "% of the probe's pixels changed their class" in ran.err
    assert "retclip undo 2" in ran.err and "boat" in {one["name"] for one in held(run, store)}


def test_a_class_that_costs_too_much_goes_back_with_code_8(run, world):
    store, train, probe = world
    before = held(run, store)
    ran = run("class", "add", "boat", train, "--check", probe, "--max-regression", "0", "--store", store, "--json")
    document = json.loads(ran.out)
    assert ran.code == 8 and held(run, store) == before
    worst = document["check"]["worse"][0]
    assert f"got      {worst} -" in ran.err and "IoU" in ran.err and "points of IoU" in ran.err
    assert (document["kept"], document["events"], document["undone"]) == (False, [2], [3])
    assert document["check"]["annotated"] and document["runs"][0]["per_class"]
    one = document["check"]["classes"][0]
    assert one["name"] == worst and one["regression"] == pytest.approx(one["iou"]["before"] - one["iou"]["after"])
    history = json.loads(run("class", "history", "--store", store, "--json").out)
    assert [one["action"] for one in history] == ["class.add", "undo"]
    ran = run("class", "add", "boat", train, "--check", probe, "--max-regression", "100", "--store", store)
    assert ran.code == 0 and len(held(run, store)) == len(before) + 1, "what went back may be added again"


def test_plain_photos_are_a_probe_by_the_share_of_pixels(run, world, photos):
    store, train, _ = world
    (photos / "bad.png").unlink()
    given = ("class", "add", "boat", train, "--check", photos, "--store", store)
    document = json.loads(run(*given, "--max-regression", "100", "--json").out)
    assert document["kept"] and not document["check"]["annotated"]
    assert all(one["iou"] == {"before": None, "after": None} for one in document["check"]["classes"])
    assert all(one["regression"] == one["lost"] for one in document["check"]["classes"])


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        (("--max-regression", "1"), 2, ("--check PROBE beside --max-regression",)),
        (("--max-regression", "-1", "--check", "x"), 2, ("--max-regression",)),
        (("--check", "gone.png"), 3, ("gone.png", "nothing there")),
        (("--check", "nope:x"), 4, ("a source named 'nope'",)),
    ],
)
def test_a_bad_probe_costs_nothing(run, world, given, code, words):
    store, train, _ = world
    before = held(run, store)
    ran = run("class", "add", "boat", train, *given, "--store", store)
    assert (ran.code, ran.out) == (code, "")
    assert all(word in ran.err for word in words)
    assert held(run, store) == before
    assert json.loads(run("class", "history", "--store", store, "--json").out) == []


def test_a_probe_that_cannot_be_decoded_costs_nothing_either(run, world, photos):
    store, train, _ = world
    (photos / "good.png").unlink()
    ran = run("class", "add", "boat", train, "--check", photos, "--store", store)
    assert ran.code == 3 and "readable photo to probe with" in ran.err and "bad.png" in ran.err
    assert json.loads(run("class", "history", "--store", store, "--json").out) == []


def test_what_an_earlier_addition_left_behind_is_told(run, world, monkeypatch):
    store, train, probe = world
    before = held(run, store)
    with monkeypatch.context() as patch:  # as if the process had been killed before its event
        patch.setattr("retclip.store.classes.additions.finish_addition", lambda *_, **__: 0)
        run("class", "add", "boat", train, "--store", store)
    assert held(run, store) != before
    ran = run("class", "add", "boat", train, "--check", probe, "--max-regression", "0", "--store", store)
    assert ran.code == 8 and held(run, store) == before
    assert "an earlier addition of this class was cut off; what it had stored is taken back (event 2)" in ran.err
