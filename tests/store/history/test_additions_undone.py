"""What an addition replaced comes back with its undo, to the last row, in whatever order additions are undone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from retclip.data import rle
from retclip.names import MatchKind
from retclip.store import repair
from retclip.store.classes.class_matches import record
from retclip.store.classes.fills import KIND, finish_fill, note
from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile
from retclip.store.records import ClassMatch
from retclip.store.sql.engine import transaction
from retclip.types import FeatureSpace

OTHER = FeatureSpace("test.other", "none", "none", "area-1", 4)
FILL = ClassMatch("boat", "kayak", MatchKind.EXACT, 0.95, "world", "world:")
SEGMENTS = (
    "id, category_id, run_id, x, y, width, height, area, score, detector_score, mask_score, status, label_source, "
    "confidence, length(rle) AS bytes"
)
OF_MASKS_NOW = (
    "SELECT count(*) FROM segment_feature f JOIN segment s ON s.id = f.segment_id AND s.mask_no = f.mask_no "
    "WHERE f.space_id = 2"
)
NOW = "segment JOIN mask ON mask.segment_id = id AND mask.number = mask_no"


@pytest.fixture
def store(store: FeatureStore, made) -> FeatureStore:
    """Two images, and vectors in two spaces; one segment goes without in the second."""
    run = made.adding(store, OTHER)
    *masks, last = made.lacking(store, run.space_id, 1)
    made.give(store, run, OTHER, masks, [last])
    made.give(store, run, OTHER, made.lacking(store, run.space_id, 2))
    return store


def drawn(unit, rows: int):
    """The same work with other masks, boxes, scores and vectors."""
    mask = np.zeros((4, 4), dtype=bool)
    mask[:rows] = True
    counts = rle.encode(mask)["counts"].encode()
    changes = {"rle": counts, "area": 4 * rows, "box": (0, 0, 4, rows), "score": 0.5, "mask_score": rows / 8}
    segments = tuple(replace(one, **changes) for one in unit.segments)
    return replace(unit, segments=segments, vectors=np.roll(unit.vectors, rows, axis=1))


def adding(store: FeatureStore, made, name: str, *units) -> int:
    """As `class add` does it; the event."""
    run = store.runs.start(replace(made.plan("class_add"), config=store.classes.note_of_addition(name, False)))
    for unit in units:
        store.runs.commit(run, [unit], {name: True})
    event = store.classes.finish_addition(run.id)
    assert event is not None
    return event


def back(store: FeatureStore, *events: int) -> None:
    for event in events:
        store.undo(event, "ann")


def state(store: FeatureStore, made) -> dict[str, object]:
    """All that is alive and what a search finds, but revisions."""
    living = "JOIN segment s ON s.id = f.segment_id AND s.mask_no = f.mask_no WHERE s.status <> 2"
    classes = "SELECT id, name, is_thing, merged_into_id FROM category WHERE retired_at IS NULL ORDER BY id"
    rows = {"segment_feature": "space_id, shard_id, row_no, crc32", "feature_gap": "space_id, reason, f.run_id"}
    found: dict[str, object] = {
        "segments": made.ask(store, f"SELECT {SEGMENTS} FROM {NOW} WHERE status <> 2 ORDER BY id"),
        "masks": [bytes(row[0]) for row in made.ask(store, f"SELECT rle FROM {NOW} WHERE status <> 2 ORDER BY id")],
        "classes": made.ask(store, classes),
        "spaces": [(one.segments, one.lacking, one.without) for one in store.spaces.all()],
    }  # fmt: skip
    for table, columns in rows.items():
        found[table] = made.ask(store, f"SELECT f.segment_id, {columns} FROM {table} f {living} ORDER BY 1, 2")
    ids = [one.id for one in store.classes.all()]
    for space in (made.space, OTHER):
        vectors = torch.nn.functional.normalize(torch.eye(space.dim) + 0.1, dim=-1)
        near = store.nearest(vectors, ids, 8, False, space)
        found[space.backbone] = (near.ids.tolist(), near.classes.tolist(), near.distances.numpy().round(5).tolist())
        assert reconcile.differences(store.projection(space)).clean
    return found


def test_masks_that_were_made_again_come_back_with_their_vectors_in_every_space(store, made) -> None:
    before = state(store, made)
    event = adding(store, made, "car", drawn(made.unit(1, ("car",), annotation="b"), 2))
    assert state(store, made) != before and store.spaces.all()[1].lacking == 2
    names = {row[0] for row in made.ask(store, "SELECT sha256 FROM feature_shard")}
    with transaction(store.engine) as connection:
        assert repair.unreferenced_shards(connection, store.archive) == [] and names == set(store.archive.names())
    back(store, event)
    assert state(store, made) == before


def test_a_build_s_masks_come_back_as_well(store, made) -> None:
    before = state(store, made)
    made.commit(store, drawn(made.unit(1, annotation="b"), 2))
    assert state(store, made) != before
    back(store, store.history.log()[-1].id)
    assert state(store, made) == before


def test_the_same_masks_again_and_what_a_space_got_since_stay(store, made) -> None:
    made.change(store, "DELETE FROM segment_feature WHERE space_id = 2")
    event = adding(store, made, "car", made.unit(1, ("car",), annotation="b"))
    run = made.adding(store, OTHER)
    made.give(store, run, OTHER, made.lacking(store, run.space_id, 1))
    given = made.ask(store, OF_MASKS_NOW)
    back(store, event)
    assert made.ask(store, OF_MASKS_NOW) == given
    other = adding(store, made, "car", drawn(made.unit(1, ("car",), annotation="c"), 2))
    made.give(store, run, OTHER, made.lacking(store, run.space_id, 1))
    held = made.ask(store, OF_MASKS_NOW)
    back(store, other)  # vectors of masks that are gone go, those of before are back
    assert held == given == made.ask(store, OF_MASKS_NOW)


@pytest.mark.parametrize("order", [(2, 1, 0), (0, 1, 2), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("name", ["boat", "car"])
def test_additions_that_share_a_photo_are_undone_in_any_order(store, made, name: str, order) -> None:
    """Of three, one that finds more, one that finds less, and one that finds one again."""
    before = state(store, made)
    units = [drawn(made.unit(1, (name,), count, f"of {count}"), count) for count in (3, 1, 2)]
    events = [adding(store, made, name, unit) for unit in units]
    assert {one.name: one.segments for one in store.classes.all()}[name] == (2 if name == "boat" else 4)
    back(store, *(events[number] for number in order))
    assert state(store, made) == before


def test_in_between_the_slots_are_the_earlier_addition_s(store, made) -> None:
    first = adding(store, made, "boat", drawn(made.unit(1, ("boat",), 2), 1))
    between = state(store, made)
    second = adding(store, made, "boat", drawn(made.unit(1, ("boat",), 1, "b"), 2))
    back(store, second)
    assert state(store, made) == between
    third = adding(store, made, "boat", drawn(made.unit(1, ("boat",), 1, "b"), 2))
    held = state(store, made)
    back(store, first)  # what the later one took over stays, the rest goes
    assert state(store, made) == held
    back(store, third)
    assert "boat" not in {one.name for one in store.classes.all()}


def test_one_run_that_touches_a_segment_twice(store, made) -> None:
    before = state(store, made)
    again = (drawn(made.unit(1, ("car",), count, f"of {count}"), count) for count in (2, 1))
    event = adding(store, made, "car", *again, drawn(made.unit(7, ("car",), 2), 1), drawn(made.unit(7, ("car",), 1), 2))
    back(store, event)
    assert state(store, made) == before


def test_what_another_build_or_a_person_made_of_it_since_stays(store, made) -> None:
    units = [drawn(made.unit(number, ("car",), 2, "b"), 2) for number in (1, 2)]
    event = adding(store, made, "car", *units)
    made.commit(store, drawn(made.unit(2, ("car",), 2, "c"), 3))
    first = "prompt = 'car' AND image_id = 1"
    store.segments.quarantine(list(made.ids(store, f"{first} AND ordinal = 0").values()), "ann")
    query = f"SELECT {SEGMENTS} FROM {NOW} WHERE prompt = 'car' AND image_id = 2 ORDER BY id"
    built = made.ask(store, query)
    back(store, event)
    assert made.ask(store, query) == built
    held = made.ask(store, f"SELECT area, status FROM {NOW} WHERE {first} ORDER BY ordinal")
    assert held == [(16, 1), (16, 0)], "as it was, and quarantined still"


def test_a_removed_class_is_removed_again(store, made) -> None:
    store.classes.remove("car", "ann")
    query = "SELECT id, name, is_thing, retired_at FROM category ORDER BY id"
    before, rows = state(store, made), made.ask(store, query)
    units = drawn(made.unit(1, ("car",), 1, "b"), 2), made.unit(9, ("car",), 1)
    first = adding(store, made, "car", *units)
    second = adding(store, made, "car", drawn(made.unit(1, ("car",), 2, "c"), 1))
    assert {one.name: one.segments for one in store.classes.all()}["car"] == 3
    back(store, second, first)
    assert made.ask(store, query) == rows and state(store, made) == before


def test_whether_a_class_counts_is_unsaid_again(store, made) -> None:
    run = store.runs.start(made.plan())
    store.runs.commit(run, [made.unit(8, ("boat",), 1)], {})  # nobody says
    before = state(store, made)
    event = adding(store, made, "boat", made.unit(9, ("boat",), 1))
    assert state(store, made)["classes"] != before["classes"]
    back(store, event)
    assert state(store, made) == before


def test_a_filled_class_that_an_addition_made_again(store, made) -> None:
    before = state(store, made)
    config = note(FILL)
    for number in (1, 3):
        run = store.runs.start(replace(made.plan(KIND), config=config))
        store.runs.commit(run, [drawn(made.unit(number, ("boat",)), 2), drawn(made.unit(1, ("car",), 1, "f"), 3)], {})
    store._catalog.edit(record, FILL)
    newest = store.matches.decisions().newest["boat"]
    fill = store._catalog.edit(finish_fill, newest)
    filled = state(store, made)
    added = adding(store, made, "boat", drawn(made.unit(3, ("boat",), 1, "b"), 1))
    back(store, added)
    assert state(store, made) == filled
    again = adding(store, made, "boat", drawn(made.unit(3, ("boat",), 1, "b"), 1))
    back(store, again, fill)
    assert state(store, made) == before
