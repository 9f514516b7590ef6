"""Adding a class: from an annotated source its own masks, from plain photos what the proposer finds, nothing else."""

import os
from dataclasses import replace

import pytest
import torch
from sqlalchemy import select

from retclip.errors import DataError
from retclip.plugin.contracts import ANNOTATION, SourceClass
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Event, Run
from retclip.types import Image, MaskProposals
from retclip.workflows.classes.add_class import OpenAddition, add_class
from retclip.workflows.classes.addition import Addition


def whole_image(image, vocabulary):
    """What a proposer that is told the class gives for a photo of it: all of it."""
    return MaskProposals(torch.ones(1, 1, 1), torch.ones(1), image.size, vocabulary.names[:1])


def nothing_found(image, _):
    return MaskProposals(torch.zeros(0, 1, 1), torch.zeros(0), image.size, ())


@pytest.fixture
def add(fresh, kit):
    def run(name, source, answer=kit.annotated, events=None, is_thing=None, **options):
        addition = OpenAddition(kit.parts(fresh.store, answer), Addition(name, [(source, "listed:x")], is_thing))
        try:
            (report,) = addition.carry_out(**options)
        finally:
            if events is not None:
                events += addition.events
        return report

    return run


def plain(kit, seed=0):
    """A photo that nobody annotated."""
    image = kit.picture(seed=seed)
    return Image(image.pixels, image.sha256, image.uri)


def test_only_the_segments_of_that_class_are_stored(fresh, add, kit):
    report = add("car", kit.Source([kit.picture("sky", "car"), kit.picture("sky", "grass")]))
    assert (report.images, report.segments, report.empty) == (1, 1, 1)
    assert [(one.name, one.is_thing, one.segments) for one in fresh.classes.list()] == [("car", True, 1)]


def test_the_source_is_asked_by_its_own_spelling(fresh, add, kit):
    assert add("  Car ", kit.Source([kit.picture("sky", "car")])).per_class == {"car": 1}


def test_a_class_the_source_does_not_have_is_answered_with_a_near_one(add, kit):
    with pytest.raises(DataError, match=r"a class of listed:x; got 'gras'; did you mean 'grass'"):
        add("gras", kit.Source([kit.picture()]))
    with pytest.raises(DataError, match="its classes: sky, grass, car, sand"):
        add("zzz", kit.Source([kit.picture()]))


def test_of_plain_photos_the_proposers_masks_get_the_name(fresh, add, kit):
    report = add("zebra", kit.Source([plain(kit), plain(kit, 1)], names=()), whole_image)
    assert (report.images, report.segments) == (2, 2)
    assert [(one.name, one.is_thing, one.images) for one in fresh.classes.list()] == [("zebra", None, 2)]


@pytest.mark.parametrize(("given", "stored"), [(None, None), (True, True), (False, False)])
def test_of_plain_photos_the_user_says_whether_it_is_countable(fresh, add, kit, given, stored):
    add("fog", kit.Source([plain(kit)], names=()), whole_image, is_thing=given)
    assert [one.is_thing for one in fresh.classes.list()] == [stored]


def test_adding_the_same_again_adds_nothing(fresh, add, kit):
    source = kit.Source([kit.picture("sky", "car")])
    add("car", source)
    again = add("car", source)
    assert (again.skipped, again.segments) == (1, 0)
    assert [one.segments for one in fresh.classes.list()] == [1]


def test_it_is_written_down_who_added_what_from_where(fresh, add, kit):
    report = add("car", kit.Source([kit.picture("sky", "car")]))
    (event,) = fresh.classes.history()
    assert (event.action, event.target, event.runs, event.segments) == ("class.add", "car", (report.run,), 1)
    with transaction(fresh.store.engine) as connection:
        ((kind, source),) = connection.execute(select(Run.kind, Run.source)).all()
    assert (event.source, event.actor, kind) == (source, f"run {report.run}", "class_add") and source.endswith("x")


def test_a_photo_that_cannot_be_read_is_listed(add, kit):
    report = add("zebra", kit.Source([DataError("a photo", "none", "copy it"), plain(kit)], names=()), whole_image)
    assert (report.images, len(report.failures)) == (1, 1)


def test_an_addition_that_comes_to_nothing_leaves_no_event(fresh, add, kit):
    events = []
    broken = kit.Source([DataError("a photo", "none", "copy it")], names=())
    assert add("zebra", broken, whole_image, events=events).segments == 0
    assert add("zebra", kit.Source([plain(kit)], names=()), nothing_found, events=events).images == 1
    assert (events, fresh.classes.list()) == ([], ())
    with transaction(fresh.store.engine) as connection:
        assert connection.execute(select(Event.id)).all() == []
    assert add("zebra", kit.Source([plain(kit, 1)], names=()), whole_image, events=events).segments == 1
    assert len(events) == 1 and [one.name for one in fresh.classes.list()] == ["zebra"]


def test_photos_without_annotation_are_refused_before_a_run_where_annotations_alone_are_read(fresh, kit):
    parts = kit.parts(fresh.store)
    parts = replace(parts, proposer=replace(parts.proposer, provides=frozenset({ANNOTATION})))
    with pytest.raises(DataError, match=r"listed:x, photos without annotation, and stub\.masks.*--crops where each"):
        add_class(parts, Addition("zebra", [(kit.Source([plain(kit)], names=()), "listed:x")]))
    with transaction(fresh.store.engine) as connection:
        assert connection.execute(select(Run.id)).all() == []


def test_an_addition_that_stops_half_way_is_written_down_and_can_be_undone(fresh, add, kit):
    source, events = kit.Source([kit.picture("sky", "car")]), []

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add("car", source, on_progress=stop, events=events)
    assert [one.segments for one in fresh.classes.list()] == [1]
    (event,) = events
    fresh.store.undo(event, "ann")
    assert fresh.classes.list() == ()


@pytest.mark.parametrize(("said", "given", "stored"), [(None, True, True), (None, None, None), (False, True, False)])
def test_a_person_may_say_what_an_annotated_source_does_not(fresh, add, kit, said, given, stored):
    source = kit.Source([kit.picture("sky", "car")])
    source.classes = lambda: (SourceClass("sky", said), SourceClass("car", None))
    add("car" if said is None else "sky", source, is_thing=given)
    assert [one.is_thing for one in fresh.classes.list()] == [stored]


def test_what_a_kill_left_is_taken_over_by_the_same_addition(world):
    """The process ends between two commits: no `finally` runs, no event is written."""
    source, load = world.source, world.source.load
    build = world.parts.settings.build.model_copy(update={"commit_images": 1})
    settings = world.parts.settings.model_copy(update={"build": build})
    world.parts = replace(world.parts, settings=settings)
    before, calls = world.stored(), []

    def die(number):
        calls.append(number)
        if len(calls) == 6:
            os._exit(9)
        return load(number)

    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)  # the threads that computed with us are not forked
        source.load = die
        add_class(world.parts, Addition("Kayak", [(source, "world:")]))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    some = world.stored()["Kayak"]
    assert 0 < some < 36 and world.rows() == []
    report = add_class(world.parts, Addition("Kayak", [(source, "world:")]))
    events = report.events
    assert report.runs[0].skipped and world.stored()["Kayak"] == 36
    world.parts.store.undo(events[0], "ann")
    assert world.stored() == before
