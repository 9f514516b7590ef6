"""Slots are filled whole: another annotation, version or spelling takes the old one's place, never stands beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile
from retclip.store.segments.slots import images_with_slots
from retclip.store.sql.engine import transaction


@pytest.fixture
def store(light_work) -> FeatureStore:
    return light_work.open()


def live(store: FeatureStore, made) -> list[tuple]:
    return made.ask(store, "SELECT prompt, ordinal, rev FROM segment WHERE status = 0 ORDER BY prompt, ordinal")


def commit(store: FeatureStore, made, unit, **changes: object) -> None:
    """In a run of its own, planned otherwise."""
    run = store.runs.start(replace(made.plan(), **changes))
    store.runs.commit(run, [unit], {})


def finished(store: FeatureStore, made) -> set[str]:
    return {row[0] for row in made.ask(store, "SELECT key FROM unit WHERE state = 'finished'")}


def test_a_new_version_or_setting_of_a_proposer_fills_the_same_slots(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1))
    ids = made.ids(store)
    newer = replace(made.unit(1, per_class=1), key="other", content="other")
    commit(store, made, newer, proposer_version="2", recipe="f" * 64)
    assert made.ids(store) == ids
    assert live(store, made) == [("car", 0, 2), ("road", 0, 2), ("tree", 0, 2)]
    assert finished(store, made) == {"other"}, "what the older version found is not finished any more"
    assert reconcile.differences(store.projection()).clean


def test_an_annotation_that_comes_back_is_stored_again(store: FeatureStore, made) -> None:
    first, second = made.unit(1), made.unit(1, annotation="b", per_class=1)
    for unit in (first, second):
        made.commit(store, unit)
    assert finished(store, made) == {second.key}
    made.commit(store, first)
    assert finished(store, made) == {first.key} and len(live(store, made)) == 6


def test_units_of_other_classes_stay_finished(store: FeatureStore, made) -> None:
    cars, trees = made.unit(1, classes=("car",)), made.unit(1, classes=("tree",), annotation="b")
    made.commit(store, cars)
    made.commit(store, trees)
    assert finished(store, made) == {cars.key, trees.key}


def test_the_same_annotation_asked_for_other_classes_stays_finished(store: FeatureStore, made) -> None:
    """Adding a class and building everything may take turns without doing anything twice."""
    everything, cars = made.unit(1), made.unit(1, classes=("car",))
    made.commit(store, everything)
    made.commit(store, cars)
    assert finished(store, made) == {everything.key, cars.key}


def test_what_the_annotation_no_longer_shows_is_retired(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1), made.unit(2))
    corrected = replace(made.unit(1, classes=("road", "tree"), annotation="b"), absent=("Car",))
    made.commit(store, corrected)
    assert {row[0] for row in made.ask(store, "SELECT id FROM segment WHERE status = 2")} == {
        row[0] for row in made.ask(store, "SELECT id FROM segment WHERE prompt = 'car' AND image_id = 1")
    }
    assert finished(store, made) == {corrected.key, made.unit(2).key}
    assert reconcile.differences(store.projection()).clean


def test_an_image_may_lose_all_its_classes(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1))
    nothing = replace(
        made.unit(1, classes=(), annotation="b"), absent=made.classes, vectors=np.zeros((0, made.dim), np.float32)
    )
    made.commit(store, nothing)
    assert live(store, made) == [] and finished(store, made) == {nothing.key}
    made.commit(store, made.unit(1))
    assert len(live(store, made)) == 6 and finished(store, made) == {made.unit(1).key}


def test_another_data_set_that_shows_less_of_the_same_photo_retires_nothing(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1))
    less = replace(made.unit(1, classes=("tree",), annotation="b"), absent=("car", "road"))
    commit(store, made, less, dataset="another")
    assert {slot for slot, *_ in live(store, made)} == {"car", "road", "tree"}


def test_two_spellings_are_one_slot(store: FeatureStore, made) -> None:
    for name in ("Kayak", "kayak", "  KAYAK "):
        made.commit(store, made.unit(1, classes=(name,)))
    assert live(store, made) == [("kayak", 0, 3), ("kayak", 1, 3)]
    assert [one.segments for one in store.classes.all()] == [2]


def test_which_images_a_data_set_put_a_class_into(store: FeatureStore, made) -> None:
    run = made.commit(store, made.unit(1), made.unit(2, classes=("tree",)), made.unit(3))
    made.commit(store, made.unit(3, per_class=0, annotation="b"))
    names = [f"{number}.jpg" for number in (1, 2, 3, 4)]

    def known(run, prompts: list[str]) -> set[str]:
        with transaction(store.engine) as connection:
            return images_with_slots(connection, run, names, prompts)

    assert known(run, ["CAR"]) == {"1.jpg"}
    assert known(run, ["tree", "car"]) == {"1.jpg", "2.jpg"}
    assert known(run, []) == set()
    assert known(store.runs.start(replace(made.plan(), dataset="another")), ["car"]) == set()
    assert known(store.runs.start(replace(made.plan(), proposer="another")), ["car"]) == set()


def test_scores_are_those_of_the_newest_run(store: FeatureStore, made) -> None:
    def scored(unit, detector: float | None, mask: float | None):
        segments = [replace(one, detector_score=detector, mask_score=mask) for one in unit.segments]
        return replace(unit, segments=tuple(segments))

    def scores() -> list[tuple]:
        return made.ask(store, "SELECT DISTINCT detector_score, mask_score FROM segment")

    made.commit(store, scored(made.unit(1), 0.25, 0.5))
    assert scores() == [(0.25, 0.5)]
    made.commit(store, scored(made.unit(1, annotation="b"), None, 0.75))
    assert scores() == [(None, 0.75)]
