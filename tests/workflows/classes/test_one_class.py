"""One class of a source under another name: photos, annotation and limits."""

import pytest

from retclip.plugin.contracts import SourceClass
from retclip.workflows.classes.one_class import one_class, records_showing


@pytest.fixture
def source(world):
    photos = [world.photo("Boat", "Horse"), world.photo("Horse"), world.photo("Boat"), world.photo("Boat", "Boat")]
    return world.Photos({"Boat": (), "Horse": ()}, photos)


def test_records_that_show_a_class_are_found_in_one_pass_without_reading_a_photo(source):
    found = records_showing(source, ["Boat", "Horse"], 2)
    assert {name: [one.external_id for one in records] for name, records in found.items()} == {
        "Boat": ["photo 0", "photo 2"], "Horse": ["photo 0", "photo 1"],
    }  # fmt: skip
    assert source.loaded == [] and records_showing(source, [], 5) == {}


def test_the_pass_ends_where_every_class_has_enough(source):
    source.items[3] = None  # listing it would fail
    assert [len(one) for one in records_showing(source, ["Boat"], 2).values()] == [2]


def test_a_record_that_does_not_say_what_it_shows_may_show_it(kit):
    listed = kit.Source([ValueError("not read")], ("sky",))
    assert len(records_showing(listed, ["sky"], 5)["sky"]) == 1


def test_the_annotation_holds_the_class_alone_under_the_users_name(source):
    records = records_showing(source, ["Boat"], 9)["Boat"]
    shown = one_class(source, "Boat", SourceClass("canoe", True), records)
    assert [one.name for one in shown.classes()] == ["canoe"] and len(shown) == 3
    mine = list(shown.images())
    assert [one.class_names for one in mine] == [("canoe",)] * 3
    truth = mine[0].load().truth
    assert [(one.class_name, one.id) for one in truth.segments] == [("canoe", 1)]
    assert set(truth.label_map.ravel().tolist()) == {0, 1}, "the horse's pixels are void"
    assert {one.annotation_digest for one in mine}.isdisjoint({one.annotation_digest for one in records})
    assert [one.class_name for one in source.items[0].truth.segments] == ["Boat", "Horse"], "the source is left alone"


def test_no_photo_follows_once_there_are_enough(source):
    records = records_showing(source, ["Boat"], 9)["Boat"]
    answers = iter([False, True])
    shown = one_class(source, "Boat", SourceClass("canoe"), records, lambda: next(answers))
    assert [one.external_id for one in shown.images()] == ["photo 0"]


def test_a_photo_without_masks_stays_as_it_is(kit):
    from dataclasses import replace

    plain = replace(kit.picture(), truth=None)
    listed = kit.Source([plain], ("sky",))
    records = records_showing(listed, ["sky"], 1)["sky"]
    (record,) = one_class(listed, "sky", SourceClass("heaven"), records).images()
    assert record.load() is plain and record.class_names is None
