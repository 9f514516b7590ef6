"""How complete each space is: what lives, what lacks a vector, what goes without; and where photos may be found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retclip.store.segments import spaces
from retclip.store.sql.engine import transaction
from retclip.types import FeatureSpace

OTHER = FeatureSpace("test.other", "none", "none", "area-1", 4)


@pytest.fixture
def store(light_work, made):
    """Two images of six segments each, and a second space in which two of the first image have a vector."""
    opened = light_work.open()
    made.commit(opened, made.unit(1), made.unit(2))
    run = made.adding(opened, OTHER)
    made.give(opened, run, OTHER, made.lacking(opened, 2, 1)[:2])
    return opened


def told(store):
    return {one.space.backbone: (one.segments, one.lacking, one.without, one.complete) for one in store.spaces.all()}


def test_each_space_says_what_it_has_and_what_it_lacks(store, made) -> None:
    assert told(store) == {"test.backbone": (12, 0, 0, True), "test.other": (2, 10, 0, False)}
    first, second = store.spaces.all()
    assert (first.space, second.space) == (made.space, OTHER) and first.total == second.total == 12
    assert first.index != second.index and second.index.startswith(f"seg__{OTHER.id[:8]}")


@pytest.mark.parametrize(
    ("statement", "lacking"),
    [
        ("UPDATE segment SET status = 2 WHERE image_id = 2", 4),
        ("UPDATE segment SET status = 1", 10),
        ("UPDATE image SET state = 2 WHERE id = 2", 4),
        ("UPDATE category SET retired_at = '2024-01-01 00:00:00'", 0),
    ],
)
def test_only_what_an_index_would_hold_counts(store, made, statement: str, lacking: int) -> None:
    made.change(store, statement)
    assert told(store)["test.other"][1] == lacking
    with transaction(store.engine) as connection:
        photos = spaces.photos_missing_vectors(connection, 2, 0)
        assert sum(len(spaces.masks_missing_vectors(connection, 2, one.id)) for one in photos) == lacking
        assert spaces.count_photos_missing_vectors(connection, 2) == len(photos)


def test_photos_come_in_pages_with_what_is_known_of_them(store, made) -> None:
    with transaction(store.engine) as connection:
        (first,) = spaces.photos_missing_vectors(connection, 2, 0, limit=1)
        (second,) = spaces.photos_missing_vectors(connection, 2, first.id, limit=5)
        assert spaces.photos_missing_vectors(connection, 2, second.id) == []
        assert spaces.photos_missing_vectors(connection, 1, 0) == [], "the first space lacks nothing"
    assert (second.external_id, second.uri, second.size) == ("2.jpg", "/photos/2.jpg", (4, 4))
    assert second.sha256 == made.unit(2).image_sha256


@pytest.mark.parametrize(("reason", "again"), [("mask", 0), ("photo", 1)])
def test_what_is_let_go_does_not_block_and_a_lost_photo_is_looked_for_again(store, made, reason, again) -> None:
    run = made.adding(store, OTHER)
    made.give(store, run, OTHER, made.lacking(store, 2, 1) + made.lacking(store, 2, 2)[1:])
    (last,) = made.lacking(store, 2, 2)
    assert not last.accepted and not store.spaces.all()[1].complete
    made.give(store, run, OTHER, [], without=[last], reason=reason)
    assert told(store)["test.other"] == (11, 0, 1, True)
    assert [one.accepted for one in made.lacking(store, 2, 2)] == [True] * again
    made.give(store, run, OTHER, [last])
    assert told(store)["test.other"] == (12, 0, 0, True), "it has one after all"


def test_a_photo_is_known_to_every_source_that_showed_it(store, made) -> None:
    plan = replace(made.plan(), source="later:", dataset="another")
    moved = replace(made.unit(1, annotation="b"), external_id="b/one.jpg")
    store.runs.commit(store.runs.start(plan), [moved], {})
    with transaction(store.engine) as connection:
        found = spaces.addresses(connection, spaces.photos_missing_vectors(connection, 2, 0))
    assert list(found) == ["later:", "test:"], "the newest first"
    assert {name: [one.id for one in photos] for name, photos in found["later:"].items()} == {
        "1.jpg": [1],
        "b/one.jpg": [1],
    }
    assert {name: [one.id for one in photos] for name, photos in found["test:"].items()} == {"2.jpg": [2]}
