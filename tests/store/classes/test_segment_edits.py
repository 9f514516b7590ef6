"""Corrections by people: one event each, undone whole, outliving every rebuild; what is so already gets no fact."""

from __future__ import annotations

from uuid import UUID

import pytest

from retclip.errors import DataError


def state(store, ids) -> list[tuple[str, str]]:
    known = store.segments.get(ids)
    return [(known[one].class_name, known[one].status) for one in ids]


def of_class(made, store, name: str) -> list[UUID]:
    return [one for (prompt, _), one in sorted(made.ids(store, "image_id = 1").items()) if prompt == name]


def test_a_list_with_several_classes_is_one_event_and_goes_back_whole(store, made) -> None:
    roads, cars = of_class(made, store, "road"), of_class(made, store, "car")
    labels = {roads[0]: "car", roads[1]: "tree", cars[0]: "car"}
    done = store.segments.relabel_each(labels, "ann", "from suspects.csv")
    assert (done.segments, done.unchanged) == (2, 1)
    assert state(store, roads) == [("car", "visible"), ("tree", "visible")]
    event = store.history.log()[-1]
    assert (event.id, event.action, event.target, event.segments) == (done.event, "segment.relabel", "3 segments", 2)
    assert (event.actor, event.reason) == ("ann", "from suspects.csv")
    assert store.undo(done.event, "ann").segments == 2
    assert state(store, roads) == [("road", "visible")] * 2 and store.history.check_chain().whole


@pytest.mark.parametrize("change", ["quarantine", "retire"])
def test_what_is_so_already_is_counted_and_makes_no_event(store, made, change: str) -> None:
    roads = of_class(made, store, "road")
    assert getattr(store.segments, change)(roads[:1], "ann").unchanged == 0
    second = getattr(store.segments, change)(roads, "ann")
    assert (second.segments, second.unchanged) == (1, 1)
    assert getattr(store.segments, change)([*roads, *roads], "ann") == type(second)(0, 0, 2)
    assert store.history.log()[-1].id == second.event
    assert store.segments.release(of_class(made, store, "car"), "ann") == type(second)(0, 0, 2)


def test_a_class_that_is_not_there_is_refused_or_made_and_goes_with_the_undo(store, made) -> None:
    roads = of_class(made, store, "road")
    with pytest.raises(DataError, match=r"'trea'.*tree.*--new"):
        store.segments.relabel(roads, "trea", "ann")
    done = store.segments.relabel(roads, "lane", "ann", new=True)
    assert state(store, roads) == [("lane", "visible")] * 2
    assert {one.name: one.segments for one in store.classes.all()}["lane"] == 2
    store.undo(done.event, "ann")
    assert "lane" not in {one.name for one in store.classes.all()} and state(store, roads) == [("road", "visible")] * 2
    store.classes.remove("tree", "ann")
    store.segments.relabel(roads, "tree", "ann", new=True)  # a removed class comes back
    assert {one.name: one.segments for one in store.classes.all()}["tree"] == 2


def test_unknown_segments_are_counted_and_nothing_changes(store, made) -> None:
    roads = of_class(made, store, "road")
    for change in (store.segments.quarantine, store.segments.release, store.segments.retire):
        with pytest.raises(DataError, match="2 of 4 unknown"):
            change([*roads, UUID(int=1), UUID(int=2)], "ann")
        with pytest.raises(DataError, match="got none"):
            change([], "ann")
    assert len(store.history.log()) == 1


def test_retired_is_gone_until_it_is_undone_whatever_is_built_again(store, made) -> None:
    """The same annotation, another one, and a run that only adds: none brings it back."""
    roads = of_class(made, store, "road")
    held = {point for point, _ in store.projection().index.scan()}
    assert set(roads) <= held
    done = store.segments.retire(roads[:1], "ann", "blurred")
    made.commit(store, made.unit(1, annotation="b"))
    made.commit(store, made.unit(1, annotation="c"))
    assert state(store, roads) == [("road", "retired"), ("road", "visible")]
    assert {point for point, _ in store.projection().index.scan()} == held - {roads[0]}
    added = store.runs.start(made.plan("class_add"))
    from dataclasses import replace

    before = made.ask(store, "SELECT count(*) FROM segment_fact")
    store.runs.commit(added, [replace(made.unit(1, ("road",), annotation="d"), only_adds=True)], {})
    assert state(store, roads) == [("road", "retired"), ("road", "visible")]
    assert made.ask(store, "SELECT count(*) FROM segment_fact") == before, "a slot that was taken out stays as it is"
    store.segments.release(roads, "ann")
    assert state(store, roads)[0] == ("road", "retired")
    store.undo(done.event, "ann")
    assert state(store, roads) == [("road", "visible")] * 2
    assert {point for point, _ in store.projection().index.scan()} == held


def test_retired_in_quarantine_comes_back_quarantined(store, made) -> None:
    (road, _) = of_class(made, store, "road")
    store.segments.quarantine([road], "ann")
    done = store.segments.retire([road], "ann")
    assert state(store, [road]) == [("road", "retired")]
    store.undo(done.event, "ann")
    assert state(store, [road]) == [("road", "quarantined")]
