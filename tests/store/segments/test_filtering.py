"""Filters in SQL on both databases, held against the same conditions in Python; pages, cursors, beginnings of ids."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from retclip.errors import ConfigError, DataError
from retclip.store.records import SegmentFilter
from retclip.store.segments.cursors import cursor_after, place_of
from retclip.store.states import LabelSource, SegmentStatus

EVERY = tuple(SegmentStatus)


@pytest.fixture
def mixed(light_work, made):
    """Four photos by two runs, of two data sets, some segments of each state, labels of people, several scores."""
    store = light_work.open()
    first = made.commit(store, made.unit(1), made.unit(2))
    other = replace(made.plan(), dataset="other")
    second = store.runs.start(other)
    units = [made.unit(3), made.unit(4)]
    scored = [
        replace(unit, segments=tuple(replace(one, score=0.1 * number) for number, one in enumerate(unit.segments)))
        for unit in units
    ]
    store.runs.commit(second, scored, dict.fromkeys(made.classes, True))
    ids = list(made.ids(store).values())
    every = [row[0] for row in made.ask(store, "SELECT id FROM segment ORDER BY id")]
    points = store.segments.select(SegmentFilter(states=()), 100).ids
    assert len(every) == len(points) == 24 and len(ids) == 6
    store.segments.quarantine(points[:3], "ann")
    store.segments.relabel([points[4], points[20]], "road", "ann")
    store.classes.remove("tree", "ann")
    return store, points, (first.id, second.id)


def expected(store, points, condition):
    return tuple(one.id for one in store.segments.listed(points) if condition(one))


@pytest.mark.parametrize(
    ("chosen", "condition"),
    [
        ({}, lambda one: one.state == "visible"),
        ({"states": ()}, lambda one: True),
        ({"states": "quarantined"}, lambda one: one.state == "quarantined"),
        ({"states": ("quarantined", "retired")}, lambda one: one.state != "visible"),
        ({"classes": "road", "states": EVERY}, lambda one: one.class_name == "road"),
        ({"classes": ("Road", "car")}, lambda one: one.class_name in ("road", "car") and one.state == "visible"),
        ({"classes": "tree", "states": "retired"}, lambda one: one.class_name == "tree"),
        ({"datasets": "other"}, lambda one: one.dataset == "other" and one.state == "visible"),
        ({"label_sources": "person"}, lambda one: one.label_source == "person"),
        ({"min_score": 0.25, "max_score": 0.45}, lambda one: 0.25 <= one.score <= 0.45 and one.state == "visible"),
        ({"min_score": 1.0, "datasets": "drawn"}, lambda one: one.dataset == "drawn" and one.state == "visible"),
    ],
)
def test_each_condition_selects_what_it_says(mixed, chosen, condition):
    store, points, _ = mixed
    wanted = expected(store, points, condition)
    assert wanted and store.segments.select(SegmentFilter(**chosen), 100).ids == wanted
    assert store.segments.count(SegmentFilter(**chosen)) == len(wanted)


def test_runs_and_images_by_any_of_their_names(mixed, made):
    store, points, runs = mixed
    of_second = expected(store, points, lambda one: one.run == runs[1])
    assert len(of_second) == 12 and store.segments.select(SegmentFilter(runs=runs[1], states=()), 100).ids == of_second
    third = made.unit(3)
    wanted = expected(store, points, lambda one: one.image == "3.jpg")
    for name in ("3.jpg", "/photos/3.jpg", third.image_sha256, third.image_sha256[:8].upper()):
        assert store.segments.select(SegmentFilter(images=name, states=()), 100).ids == wanted, name


def test_the_state_is_that_of_segment_image_and_class(mixed, made):
    store, points, _ = mixed
    made.change(store, "UPDATE image SET state = 2 WHERE external_id = '2.jpg'")
    states = {one.id: one.state for one in store.segments.listed(points)}
    assert {one for one in points if states[one] == "retired"} >= set(
        expected(store, points, lambda one: one.image == "2.jpg" or one.class_name == "tree")
    )
    for state in SegmentStatus:
        assert set(store.segments.select(SegmentFilter(states=state), 100).ids) == {
            one for one in points if states[one] == state
        }


def test_the_moment_is_that_of_the_event_that_stored_it(mixed):
    store, points, runs = mixed
    moments = {event.runs[0]: event.at for event in store.history.log() if event.runs}
    early, late = moments[runs[0]], moments[runs[1]]
    assert early < late
    of_first = expected(store, points, lambda one: one.run == runs[0])
    of_second = expected(store, points, lambda one: one.run == runs[1])
    small = timedelta(microseconds=1)
    for bounds, wanted in [
        ({"until": early}, of_first), ({"since": early, "until": late - small}, of_first), ({"since": late}, of_second),
        ({"since": early + small}, of_second), ({"since": early}, of_first + of_second),
        ({"since": datetime.now(UTC) + timedelta(days=1)}, ()),
    ]:  # fmt: skip
        assert store.segments.select(SegmentFilter(states=(), **bounds), 100).ids == wanted, bounds


def test_ids_are_one_condition_of_several(mixed):
    store, points, _ = mixed
    chosen = SegmentFilter(ids=points[::-1], classes="road")
    wanted = expected(store, points, lambda one: one.class_name == "road" and one.state == "visible")
    assert store.segments.select(chosen, 100).ids == wanted and store.segments.count(chosen) == len(wanted)
    first = store.segments.select(chosen, 2)
    assert first.ids + store.segments.select(chosen, 100, first.next).ids == wanted
    assert (
        store.segments.select(SegmentFilter(ids=()), 10).ids == () and store.segments.count(SegmentFilter(ids=())) == 0
    )
    for ask in (lambda odd: store.segments.select(odd, 5), store.segments.count):
        with pytest.raises(DataError, match="1 of 2 unknown"):
            ask(SegmentFilter(ids=(points[0], UUID(int=1))))


def test_pages_show_each_segment_once_and_stay_while_others_come(mixed, made):
    store, points, _ = mixed
    chosen, seen, after = SegmentFilter(states=()), [], None
    for number in range(8):
        page = store.segments.select(chosen, 5, after)
        seen += page.ids
        after = page.next
        if number == 0:  # what is before the place changes no later page
            store.segments.relabel(page.ids[:2], "car", "ann")
            made.commit(store, made.unit(9))
        if after is None:
            break
    assert tuple(seen[:24]) == points and len(seen) == len(set(seen)) == 30


def test_a_cursor_is_of_its_question_alone(mixed):
    store, *_ = mixed
    after = store.segments.select(SegmentFilter(), 2).next
    for odd, why in [(after, "another question"), ("x", "none"), ("é", "none"), (after[:-3], "none"), ("W10", "none")]:
        with pytest.raises(ConfigError, match=why):
            store.segments.select(SegmentFilter(classes="road"), 2, odd)
    with pytest.raises(ConfigError, match="at least 1"):
        store.segments.select(SegmentFilter(), 0)
    assert place_of(cursor_after(["a"], [0.25, 7]), ["a"], 2) == (0.25, 7)


@pytest.mark.parametrize(
    ("chosen", "there"),
    [
        ({"classes": ("road", "kayak")}, "car, road, tree"),
        ({"datasets": "nowhere"}, "drawn, other"),
        ({"images": "9.jpg"}, "1.jpg, 2.jpg"),
        ({"runs": 77}, "1, 2"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_exist(mixed, chosen, there):
    store, *_ = mixed
    with pytest.raises(DataError) as told:
        store.segments.count(SegmentFilter(**chosen))
    assert there in told.value.todo and "road" not in told.value.got


def test_an_id_is_known_by_its_beginning(mixed):
    store, points, _ = mixed
    whole = str(points[5])
    assert store.segments.find([whole, whole.replace("-", ""), whole[:8].upper(), whole[:13]]) == [points[5]] * 4
    for odd in ("1234567", "not an id", "", "0" * 33, "0" * 8):
        with pytest.raises(DataError):
            store.segments.find([odd])


def test_a_beginning_that_two_segments_share_is_refused(mixed, made):
    store, points, _ = mixed
    twin = UUID(int=points[0].int ^ 1)
    value = twin.bytes if not made.ask(store, "SELECT 1")[1:] and store.engine.dialect.name == "sqlite" else twin
    made.change(store, "UPDATE segment SET point_id = :twin WHERE id = 2", twin=value)
    with pytest.raises(DataError, match=str(twin)):
        store.segments.find([points[0].hex[:31]])
    assert store.segments.find([str(points[0])]) == [points[0]]


def test_a_list_has_the_order_of_its_ids_and_masks_come_with_it(mixed):
    store, points, _ = mixed
    some = [points[7], UUID(int=1), points[2]]
    assert [one.id for one in store.segments.listed(some)] == [points[7], points[2]]
    (one,) = store.segments.listed([points[4]])
    assert (one.class_name, one.label_source, one.image, one.box) == ("road", LabelSource.PERSON, "1.jpg", (0, 0, 4, 4))
    assert store.segments.masks(some) == {id: store.segments.mask(id) for id in (points[7], points[2])}
