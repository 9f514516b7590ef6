"""`class add NAME --not`: segments that never vote and count against the class alone; one event, one undo."""

import json

import pytest
from PIL import Image as Pillow

import retclip
from retclip.errors import DataError

SETTINGS = {"store": {"index": "resident"}, "components": {"proposer": "reference.ground_truth"}, "retrieval": {"k": 6}}


@pytest.fixture
def crops(tmp_path, scene):
    """Two photos that show what the largest thing of the scene looks like."""
    folder = tmp_path / "crops"
    folder.mkdir()
    truth = scene.truth
    one = max((info for info in truth.segments if info.class_name != "sky"), key=lambda info: info.area)
    rows, columns = (truth.label_map == one.id).nonzero()
    y, x = int(rows[len(rows) // 2]), int(columns[len(columns) // 2])
    for number, half in enumerate((6, 8)):
        box = (max(0, x - half), max(0, y - half), x + half, y + half)
        Pillow.fromarray(scene.pixels).crop(box).save(folder / f"{number}.png")
    return folder, one.class_name


def test_what_is_added_so_never_votes_and_counts_against_the_class(run, own_store, crops, scene):
    folder, name = crops
    before = {row.name: (row.segments, row.negatives) for row in listed(own_store)}
    added = ("class", "add", name, str(folder), "--crops", "--not", "--store", own_store)
    ran = run(*added, "--set", "store.index=resident")
    assert ran.code == 0, ran.err
    assert f"{name}: 2 negative examples; the store now holds 2" in ran.err
    after = {row.name: (row.segments, row.negatives) for row in listed(own_store)}
    assert after == {**before, name: (before[name][0], 2)}
    with retclip.open(own_store, settings=SETTINGS) as memory:
        (ids,) = memory.store.segments.rejected().values()
        result = memory.segment(scene)
        negatives = result.evidence.neighbours.negatives
        assert set(negatives.ids) == set(ids)
        for one in result.segments:
            for near in result.explain(one).neighbours:
                assert near.barred or near.id not in ids
                assert near.share == 0 or near.id not in ids
        event = max(entry.id for entry in memory.log())
        memory.undo(event)
    assert {row.name: (row.segments, row.negatives) for row in listed(own_store)} == before
    again = run(*added, "--set", "store.index=resident")  # and it can be done once more
    assert again.code == 0 and "2 negative examples; the store now holds 2" in again.err


def listed(folder):
    with retclip.open(folder, settings=SETTINGS) as memory:
        return memory.classes.list()


def test_photos_that_were_added_as_the_class_are_not_passed_over_as_done(own_store, crops):
    from retclip.workflows.classes.marks import Marks

    folder, name = crops
    with retclip.open(own_store, settings=SETTINGS) as memory:
        first = memory.classes.add(name, [str(folder)], marks=Marks(crops=True))
        against = memory.classes.add_negatives(name, [str(folder)], Marks(crops=True))
        assert [report.segments for report in (*first.runs, *against.runs)] == [2, 2]
        assert first.events != against.events and len(memory.store.segments.rejected()[name]) == 2
        memory.undo(against.events[0])
        assert memory.store.segments.rejected() == {}


def test_it_needs_a_class_that_is_there_and_no_kind(run, own_store, crops):
    folder, name = crops
    ran = run("class", "add", "dragon", str(folder), "--crops", "--not", "--store", own_store)
    assert ran.code == 3 and "a class of the store that something is not" in ran.err
    ran = run("class", "add", name, str(folder), "--crops", "--not", "--thing", "--store", own_store)
    assert ran.code == 2 and "beside --not" in ran.err
    with retclip.open(own_store, settings=SETTINGS) as memory, pytest.raises(DataError):
        memory.classes.add_negatives("dragon", [str(folder)])
    assert json.loads(run("class", "list", "--store", own_store, "--json").out)[0]["negatives"] == 0
