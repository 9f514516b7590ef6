"""What SQL answers: classes with counts, who may be seen, what a segment is, what an index should hold."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.index import wanted_points
from retclip.store.sql import catalog
from retclip.store.sql.engine import transaction

HIDDEN_BY = {  # each hides image 1's cars, or more; and whether an index should still hold them
    "quarantined": ("UPDATE segment SET status = 1 WHERE prompt = 'car' AND image_id = 1", True),
    "retired": ("UPDATE segment SET status = 2 WHERE prompt = 'car' AND image_id = 1", False),
    "image being deleted": ("UPDATE image SET state = 2 WHERE id = 1", False),
    "image purged": ("UPDATE image SET state = 3 WHERE id = 1", False),
    "class retired": ("UPDATE category SET retired_at = '2024-01-01 00:00:00' WHERE name = 'car'", False),
}


@pytest.fixture
def store(light_work) -> FeatureStore:
    """Images 1, 2, 3 with two segments each of road, car and tree."""
    opened = light_work.open()
    light_work.fill(opened, [1, 2, 3], chunk=3)
    return opened


def answers(store: FeatureStore, question, *args: object):
    with transaction(store.engine) as connection:
        return question(connection, *args)


def space_of(store: FeatureStore) -> int:
    return store.projection().space_id


def rows_of(made, store: FeatureStore, where: str = "1 = 1") -> list[int]:
    return [row[0] for row in made.ask(store, f"SELECT id FROM segment WHERE {where} ORDER BY id")]


def test_classes_are_counted(store: FeatureStore) -> None:
    found = store.classes.all()
    assert [(one.name, one.segments, one.images, one.is_thing) for one in found] == [
        ("car", 6, 3, True), ("road", 6, 3, True), ("tree", 6, 3, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE segment SET status = 1 WHERE prompt = 'car'",
        "UPDATE image SET state = 2",
        "UPDATE category SET retired_at = '2024-01-01 00:00:00'",
        "UPDATE category SET merged_into_id = (SELECT id FROM category c WHERE c.name = 'tree') WHERE name = 'car'",
    ],
)
def test_a_class_is_supported_exactly_while_it_is_listed_with_segments(store: FeatureStore, made, change: str) -> None:
    ids = [*(one.id for one in store.classes.all()), 999]
    assert answers(store, catalog.supported_classes, ids, 1) == set(ids[:3])
    assert answers(store, catalog.supported_classes, ids[:1], 1) == {ids[0]}
    made.change(store, change)
    assert (
        answers(store, catalog.supported_classes, ids, 1)
        == {one.id for one in store.classes.all() if one.segments}
        != {*ids}
    )
    assert answers(store, catalog.supported_classes, [], 1) == set()


@pytest.mark.parametrize("reason", HIDDEN_BY)
def test_what_is_hidden_drops_out(store: FeatureStore, made, reason: str) -> None:
    statement, still_held = HIDDEN_BY[reason]
    cars = set(made.ids(store, "prompt = 'car' AND image_id = 1").values())
    roads = set(made.ids(store, "prompt = 'road' AND image_id = 2").values())
    assert set(answers(store, catalog.visible_classes, [*cars, *roads])) == cars | roads
    made.change(store, statement)
    assert set(answers(store, catalog.visible_classes, [*cars, *roads])) == roads
    assert {one.name: one.segments for one in store.classes.all()}.get("car", 0) in (0, 4)
    wanted = {one.point_id: one.state for one in answers(store, wanted_points.points_of, space_of(store), range(1, 19))}
    assert [wanted.get(one) for one in cars] == ([1, 1] if still_held else [None, None])
    assert all(wanted[one] == 0 for one in roads)


def test_a_class_without_segments_is_a_class(store: FeatureStore, made) -> None:
    made.change(store, "UPDATE segment SET status = 1 WHERE prompt = 'car'")
    car = next(one for one in store.classes.all() if one.name == "car")
    assert (car.segments, car.images) == (0, 0)


def test_retired_and_merged_classes_are_not_listed(store: FeatureStore, made) -> None:
    made.change(store, "UPDATE category SET retired_at = '2024-01-01 00:00:00' WHERE name = 'tree'")
    made.change(
        store, "UPDATE category SET merged_into_id = (SELECT id FROM category WHERE name = 'road') WHERE name = 'car'"
    )
    assert [one.name for one in store.classes.all()] == ["road"]


def test_aliases_stand_beside_their_class(store: FeatureStore) -> None:
    for alias in ("motor car", "automobile"):
        store.classes.add_alias("car", alias, "ann")
    assert {one.name: one.aliases for one in store.classes.all()} == {
        "car": ("motor car", "automobile"), "road": (), "tree": (),
    }  # fmt: skip


def test_the_order_of_classes_does_not_depend_on_the_databases_language(cluster, tmp_path, made) -> None:
    """A server set up in English would put "apple" before "Zebra"; SQLite would not."""
    url = cluster.database("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    names = ("apple", "Zebra", "élan", "zoo", "_x")
    for number, database in enumerate(("", url)):
        with FeatureStore.create(tmp_path / str(number), StoreOptions(database=database)) as store:
            made.commit(store, made.unit(1, classes=names))
            assert [one.name for one in store.classes.all()] == sorted(names)


def test_a_segment_as_people_read_it(store: FeatureStore, made) -> None:
    unit = made.unit(2, annotation="b")
    boxed = tuple(replace(one, box=(1, 2, 3, 2), rle=b"other") for one in unit.segments)
    made.commit(store, replace(unit, segments=boxed))  # stored as a size, read as corners
    ((_, point_id),) = made.ids(store, "prompt = 'car' AND image_id = 2 AND ordinal = 1").items()
    (found,) = store.segments.get([point_id]).values()
    assert (found.id, found.class_name, found.label_source, found.confidence) == (point_id, "car", "annotation", 1.0)
    assert (found.image_sha256, found.image_uri, found.dataset) == (unit.image_sha256, "/photos/2.jpg", "drawn")
    assert (found.box, found.area, found.proposer) == ((1, 2, 4, 4), 16, "test.proposer")
    assert (found.run, found.labelled_by, found.status) == (2, "run 1", "visible")
    assert (found.prompt, found.score, found.detector_score, found.mask_score) == ("car", 1.0, None, None)
    assert (found.proposer_version, found.source, found.components) == ("1", "test:", {})


def test_a_segment_says_who_made_it_and_how_sure_that_was(light_work, made) -> None:
    store = light_work.open()
    made_with = {"proposer": {"name": "test.proposer", "version": "1", "weights": {"a/b.safetensors": "f" * 64}}}
    segments = tuple(replace(one, score=0.4, detector_score=0.8, mask_score=0.5) for one in made.unit(1).segments)
    run = store.runs.start(replace(made.plan(), components=made_with))
    store.runs.commit(run, [replace(made.unit(1), segments=segments)], {})
    found = store.segments.get(list(made.ids(store).values())).values()
    assert len(found) == 6
    assert {(one.score, one.detector_score, one.mask_score) for one in found} == {(0.4, 0.8, 0.5)}
    assert all(one.components == made_with for one in found)


def test_the_newest_label_is_the_one_shown(store: FeatureStore, made) -> None:
    (point_id,) = answers(store, catalog.point_ids, [1])
    for name, actor in (("tree", "ann"), ("road", "bob")):
        store.segments.relabel([point_id], name, actor)
    found = store.segments.get([point_id])
    assert len(found) == 1
    assert (found[point_id].class_name, found[point_id].labelled_by, found[point_id].confidence) == ("road", "bob", 1.0)


def test_hidden_segments_are_still_described(store: FeatureStore, made) -> None:
    ids = answers(store, catalog.point_ids, [1])
    for status, name in enumerate(("visible", "quarantined", "retired")):
        made.change(store, "UPDATE segment SET status = :status WHERE id = 1", status=status)
        assert [one.status for one in store.segments.get(ids).values()] == [name]


def test_masks_come_with_their_image_size(store: FeatureStore, made) -> None:
    (point_id,) = answers(store, catalog.point_ids, [1])
    assert store.segments.mask(point_id) == (made.unit(1).segments[0].rle, 4, 4)
    assert store.segments.mask(UUID(int=1)) is None


def test_unknown_ids_are_left_out(store: FeatureStore) -> None:
    assert store.segments.get([UUID(int=1)]) == {}
    assert answers(store, catalog.visible_classes, []) == {}
    assert answers(store, wanted_points.points_of, space_of(store), [10**6]) == []


def test_more_ids_than_one_statement_may_carry(store: FeatureStore, made) -> None:
    """Both databases limit the parameters of a statement; the known ids lie in the first and the last page."""
    (first,), (last,) = answers(store, catalog.point_ids, [1]), answers(store, catalog.point_ids, [18])
    ids = [first, *(UUID(int=n) for n in range(1, 33_000)), last]
    assert set(answers(store, catalog.visible_classes, ids)) == {first, last}
    assert set(store.segments.get(ids)) == {first, last}
    rows = [1, *range(1000, 34_000), 18]
    assert {one.point_id for one in answers(store, wanted_points.points_of, space_of(store), rows)} == {first, last}
    assert answers(store, catalog.point_ids, rows) == [first, last]


def test_pages() -> None:
    assert [list(one) for one in catalog.pages(range(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(catalog.pages([], 3)) == []
