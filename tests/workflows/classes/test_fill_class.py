"""One class fetched: its limits, its run, its event."""

from dataclasses import replace

import pytest

from retclip.names import MatchKind
from retclip.store.records import ClassMatch
from retclip.workflows.classes.fill_class import LOOK_EVERY, fill_class
from retclip.workflows.classes.one_class import records_showing


@pytest.fixture
def fetch(world):
    """Fetch the kayak, 4 of which are in each of 9 photos."""

    def run(most=9, **limits):
        parts = replace(world.parts, settings=world.settings(**limits))
        match = ClassMatch("canoe", "Kayak", MatchKind.MAP, 0.95, "the world", "world:")
        world.parts.store.matches.record([match])
        newest = world.rows("canoe")[-1]
        records = records_showing(world.source, ["Kayak"], most)["Kayak"]
        return fill_class(parts, newest, world.source, True, records)

    return run


@pytest.mark.parametrize(("enough", "images"), [(1, 4), (16, 4), (17, 8), (33, 9), (999, 9)])
def test_it_ends_where_there_are_enough_segments(world, fetch, enough, images):
    report, event = fetch(enough_segments=enough)
    assert (report.images, report.segments, event) == (images, 4 * images, world.rows("canoe")[-1].event)
    assert world.stored()["canoe"] == 4 * images and len(world.source.loaded) == images and LOOK_EVERY == 4


def test_its_event_says_what_was_fetched_from_where(world, fetch):
    fetch(most=2)
    (event,) = world.parts.store.classes.history()
    assert (event.action, event.target, event.segments) == ("class.fill", "canoe", 8)
    assert (event.dataset, event.source) == ("the world", "world:")
    (row,) = world.rows("canoe")
    assert ((row.run,), row.event) == (event.runs, event.id)
    assert (row.matched, str(row.how)) == ("Kayak", "map")


def test_a_class_that_was_there_once_stays_known(world, fetch):
    fetch(most=1)
    first = world.parts.store.classes.history()[-1]
    world.parts.store.undo(first.id, "ann")
    fetch(most=1)
    assert world.parts.store.classes.history()[-1].action == "class.fill"
    assert world.stored()["canoe"] == 4


def test_a_class_without_photos_ends_without_segments(world, fetch):
    report, event = fetch(most=0)
    assert (report.total, report.segments) == (0, 0) and event is not None and "canoe" not in world.stored()


def test_where_no_photo_can_be_read_there_is_no_event(world, fetch):
    world.source.broken = True
    report, event = fetch(most=2)
    assert (len(report.failures), event) == (2, None) and world.rows("canoe")[-1].event is None
