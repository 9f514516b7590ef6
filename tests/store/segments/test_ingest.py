"""Writing finished work: slots are replaced whole, and what people said outlives a rebuild."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select

from retclip.errors import RetCLIPError
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.ids import segment_id
from retclip.store.index import reconcile
from retclip.store.records import Committed
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Segment


@pytest.fixture
def store(light_work) -> FeatureStore:
    return light_work.open()


def slots(store: FeatureStore) -> dict[tuple[str, int], tuple]:
    """(row id, point id, status, rev, run) by prompt and ordinal; of several images those of the last."""
    columns = (
        Segment.prompt,
        Segment.ordinal,
        Segment.id,
        Segment.point_id,
        Segment.status,
        Segment.rev,
        Segment.run_id,
    )
    with transaction(store.engine) as connection:
        return {(row[0], row[1]): tuple(row[2:]) for row in connection.execute(select(*columns).order_by(Segment.id))}


def held(store: FeatureStore) -> dict:
    """What the index holds: payload (class, image, data set, state, revision, run) by point id."""
    return {point_id: row.tolist() for point_id, row in store.projection().index.scan()}


def agree(store: FeatureStore) -> bool:
    return reconcile.differences(store.projection()).clean


def test_a_unit_is_stored_whole(store: FeatureStore, made) -> None:
    unit = made.unit(1)
    made.commit(store, unit)
    expected = {(one.prompt, one.ordinal) for one in unit.segments}
    found = slots(store)
    assert set(found) == expected
    for (prompt, ordinal), (_, point_id, status, rev, run) in found.items():
        assert point_id == segment_id(unit.image_sha256, made.proposer, prompt, ordinal)
        assert (status, rev, run) == (0, 1, 1)
    counted = made.ask(
        store, "SELECT name, (SELECT count(*) FROM segment WHERE category_id = category.id) FROM category"
    )
    assert dict(counted) == {"road": 2, "car": 2, "tree": 2}
    said = "label_source, confidence, run_id, mask_no, present, event_id FROM segment_fact"
    assert set(made.ask(store, f"SELECT {said}")) == {("annotation", 1.0, 1, 1, True, 1)}
    assert set(made.ask(store, "SELECT labelled_by, mask_no FROM segment")) == {("run 1", 1)}
    assert made.ask(store, "SELECT width, height, external_id, uri, state FROM image") == [
        (4, 4, "1.jpg", "/photos/1.jpg", 1)
    ]
    assert made.ask(store, "SELECT key, state, segments FROM unit") == [(unit.key, "finished", 6)]
    assert made.ask(store, "SELECT row_count, dim, run_id FROM feature_shard") == [(6, made.dim, 1)]


def test_each_segment_has_its_own_vector(store: FeatureStore, made) -> None:
    """Several units share a shard: the second one's rows begin where the first one's end."""
    units = [made.unit(1), made.unit(2, classes=("car",)), made.unit(3)]
    made.commit(store, *units)
    assert len(store.archive.names()) == 1
    for unit in units:
        for one, vector in zip(unit.segments, unit.vectors, strict=True):
            point_id = segment_id(unit.image_sha256, made.proposer, one.prompt, one.ordinal)
            np.testing.assert_allclose(store.projection().index.vectors([point_id])[point_id], vector, atol=1e-3)


def test_the_same_unit_twice_is_the_same_rows(store: FeatureStore, made) -> None:
    for _ in range(2):
        made.commit(store, made.unit(1), made.unit(2))
    first = slots(store)
    assert made.ask(store, "SELECT count(*) FROM segment") == [(12,)]
    assert made.ask(store, "SELECT count(*) FROM image") == [(2,)]
    assert made.ask(store, "SELECT count(category_id) FROM segment_fact") == [(12,)], "a rebuild labels nothing anew"
    assert made.ask(store, "SELECT count(*) FROM mask") == [(12,)], "the masks are the same"
    assert made.ask(store, "SELECT count(*) FROM feature_shard") == [(1,)]
    assert made.ask(store, "SELECT count(*) FROM segment_feature") == [(12,)]
    every = made.ask(store, "SELECT id, point_id FROM segment ORDER BY id")
    made.commit(store, made.unit(1), made.unit(2))
    again = slots(store)
    assert made.ask(store, "SELECT id, point_id FROM segment ORDER BY id") == every
    assert {slot: row[:2] for slot, row in again.items()} == {slot: row[:2] for slot, row in first.items()}
    assert {row[2:] for row in first.values()} == {(0, 2, 2)} and {row[2:] for row in again.values()} == {(0, 3, 3)}
    assert len(held(store)) == 12 and agree(store)


def test_surplus_slots_are_retired_and_come_back_alive(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1, per_class=3))
    full = slots(store)
    made.commit(store, made.unit(1, per_class=1))
    fewer = slots(store)
    assert {slot for slot, row in fewer.items() if row[2] == 2} == {slot for slot in full if slot[1] > 0}
    assert {row[3] for row in fewer.values()} == {2}, "a retired slot has a new revision too"
    assert set(held(store)) == {row[1] for slot, row in full.items() if slot[1] == 0}
    made.commit(store, made.unit(1, per_class=1))
    assert all(slots(store)[slot][3] == 2 for slot in full if slot[1] > 0), "it is retired once, not at every rebuild"
    made.commit(store, made.unit(1, per_class=3))
    returned = slots(store)
    assert {slot: row[:2] for slot, row in returned.items()} == {slot: row[:2] for slot, row in full.items()}
    assert {row[2] for row in returned.values()} == {0}
    assert set(held(store)) == {row[1] for row in full.values()} and agree(store)


def test_how_many_segments_gave_way_is_told(store: FeatureStore, made) -> None:
    """Two records of one photo say the same class: nothing of the first is lost without a word."""

    def committed(*units) -> Committed:
        return store.runs.commit(store.runs.start(made.plan()), units, {})

    first, other = made.unit(1, ("car",), 3), replace(made.unit(1, ("car",), 2), key="other", external_id="copy.png")
    redrawn = replace(other, segments=tuple(replace(one, rle=one.rle + b"0") for one in other.segments))
    assert committed(first) == Committed(segments=3, displaced=0)
    assert committed(first) == Committed(segments=3, displaced=0), "the same masks"
    assert committed(redrawn) == Committed(segments=2, displaced=3), "two are drawn anew, one is retired"
    assert committed(first) == Committed(segments=3, displaced=2), "what was retired takes nobody's place"
    assert committed(made.unit(2, ("car",), 3), redrawn, first) == Committed(segments=8, displaced=5)


def test_only_the_prompts_that_were_asked_for_are_replaced(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1))
    made.commit(store, made.unit(1, classes=("car",), per_class=1))
    assert {slot: row[2] for slot, row in slots(store).items()} == {
        ("road", 0): 0, ("road", 1): 0, ("car", 0): 0, ("car", 1): 2, ("tree", 0): 0, ("tree", 1): 0,
    }  # fmt: skip
    assert slots(store)["road", 0][3] == 1


def test_a_class_that_is_found_no_more(store: FeatureStore, made) -> None:
    """Asked for and not found is different from not asked for."""
    made.commit(store, made.unit(1))
    nothing = replace(made.unit(1, classes=("car",)), segments=(), vectors=np.zeros((0, made.dim), dtype=np.float32))
    shards = store.archive.names()
    run = store.runs.start(made.plan())
    assert store.runs.commit(run, [nothing], {}) == Committed(segments=0, displaced=2)
    assert {slot[0] for slot, row in slots(store).items() if row[2] == 2} == {"car"}
    assert store.archive.names() == shards, "no empty shard"
    assert made.ask(store, "SELECT segments FROM unit WHERE key = :key", key=nothing.key) == [(0,)]
    assert agree(store)


def test_a_photo_under_two_names_shows_what_both_say(store: FeatureStore, made) -> None:
    """A folder per class, and the photo in two of them: each says that the other's class is absent."""

    def under(name: str, shown: str, absent: tuple[str, ...], annotation: str):
        return replace(made.unit(1, classes=(shown,), annotation=annotation), external_id=name, absent=absent)

    def alive() -> set[str]:
        return {slot[0] for slot, row in slots(store).items() if row[2] == 0}

    first, second = under("car/1", "car", ("tree", "road"), "a"), under("tree/1", "tree", ("car", "road"), "b")
    for _ in range(2):
        made.commit(store, first)
        made.commit(store, second)
        assert alive() == {"car", "tree"}
        assert made.ask(store, "SELECT count(*) FROM unit") == [(2,)], "both are finished"
    made.commit(store, first, second)
    assert alive() == {"car", "tree"} and made.ask(store, "SELECT count(*) FROM unit") == [(2,)]
    corrected = under("car/1", "road", ("car", "tree"), "c")
    made.commit(store, corrected)
    assert alive() == {"road", "tree"}, "a record still takes back what it said itself"
    keys = {key for (key,) in made.ask(store, "SELECT key FROM unit")}
    assert keys == {second.key, corrected.key}
    assert agree(store)


def test_other_images_and_proposers_keep_their_slots(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1), made.unit(2))
    other = store.runs.start(replace(made.plan(), recipe="f" * 64, proposer="another"))
    store.runs.commit(other, [made.unit(1, per_class=1)], {})
    assert made.ask(store, "SELECT count(*), max(status), max(rev) FROM segment") == [(15, 0, 1)]
    made.commit(store, made.unit(2, per_class=1))
    assert made.ask(store, "SELECT DISTINCT image_id FROM segment WHERE status = 2") == [(2,)]


def test_a_persons_label_and_quarantine_survive_a_rebuild(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1))
    (_, point_id, *_), (_, quarantined, *_) = slots(store)["car", 0], slots(store)["car", 1]
    ((road,),) = made.ask(store, "SELECT id FROM category WHERE name = 'road'")
    store.segments.relabel([point_id], "road", "ann")
    store.segments.quarantine([quarantined], "ann")
    made.commit(store, made.unit(1))
    assert slots(store)["car", 1][2] == 1
    known = store.segments.get([point_id])[point_id]
    assert (known.class_name, known.label_source, known.labelled_by) == ("road", "person", "ann")
    assert held(store)[point_id][0] == road and agree(store)


def test_the_revision_grows_and_the_vector_moves(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1))
    moved = replace(made.unit(1), vectors=made.unit(99).vectors)
    made.commit(store, moved)
    (row_id, point_id, _, rev, _), index = slots(store)["road", 0], store.projection().index
    assert rev == 2 and held(store)[point_id][4] == 2
    np.testing.assert_allclose(index.vectors([point_id])[point_id], moved.vectors[0], atol=1e-3)
    assert made.ask(store, "SELECT count(*) FROM segment_feature WHERE segment_id = :id", id=row_id) == [(1,)]
    assert len(store.archive.names()) == 2, "the old shard stays: archives are never changed"


def test_an_image_that_moved_is_the_same_image(store: FeatureStore, made) -> None:
    made.commit(store, made.unit(1))
    made.commit(store, replace(made.unit(1), uri="/elsewhere/1.jpg", external_id="other name"))
    assert made.ask(store, "SELECT uri, external_id FROM image") == [("/elsewhere/1.jpg", "1.jpg")]


def test_one_image_twice_in_one_commit(store: FeatureStore, made) -> None:
    """Two files with the same bytes, annotated otherwise: the later one's slots stand, and only it is finished."""
    twin = replace(made.unit(1, annotation="b", per_class=1), vectors=made.unit(99).vectors[:3])
    made.commit(store, made.unit(1), twin)
    found = slots(store)
    assert {slot: row[2] for slot, row in found.items()} == {slot: int(slot[1] > 0) * 2 for slot in found}
    assert made.ask(store, "SELECT key FROM unit") == [(twin.key,)]
    point_id = found["car", 0][1]
    np.testing.assert_allclose(store.projection().index.vectors([point_id])[point_id], twin.vectors[1], atol=1e-3)
    assert agree(store)


def test_several_writers_at_once_lose_nothing(work, made) -> None:
    """They meet in the same new class, the same image and the same slots; each waits or tries again."""
    work.open().close()
    barrier, failed = threading.Barrier(3), []

    def write(number: int) -> None:
        options = StoreOptions(database=work.options.database, index="resident")
        with FeatureStore.open(work.folder, options) as store:
            try:
                run = store.runs.start(made.plan())
                barrier.wait()
                for image in range(4):
                    units = [made.unit(image, classes=("van", "bus")), made.unit(10 * number + image, classes=("van",))]
                    store.runs.commit(run, units, {})
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    store = work.open()
    assert {one.name: one.segments for one in store.classes.all()} == {"bus": 8, "van": 8 + 3 * 8}
    assert made.ask(store, "SELECT count(*) FROM category") == [(2,)] and agree(store)


def test_a_bad_unit_takes_nothing_with_it(store: FeatureStore, made) -> None:
    """One transaction: the good unit beside it is not stored either, and not called finished."""
    made.commit(store, made.unit(1))
    bad = made.unit(3)
    bad = replace(bad, segments=(replace(bad.segments[0], area=0), *bad.segments[1:]))
    before = {
        table: made.ask(store, f"SELECT count(*) FROM {table}") for table in ("segment", "image", "unit", "outbox")
    }
    with pytest.raises(RetCLIPError):
        made.commit(store, made.unit(2), bad)
    assert {table: made.ask(store, f"SELECT count(*) FROM {table}") for table in before} == before
    assert agree(store)
