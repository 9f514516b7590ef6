"""SQLite and PostgreSQL hold the same after the same work, table by table, and answer the same.

Compared is what the rows say. Left out: times, random names, and row ids where an id is only a counter: a reference is
followed to what it names instead (an image by its sha256, a class by its name key).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from retclip.errors import RetCLIPError
from retclip.names import MatchKind
from retclip.store.classes import class_matches, event_log, fills
from retclip.store.feature_store import FeatureStore
from retclip.store.history import class_facts, moments, segment_facts
from retclip.store.index import reconcile, wanted_points
from retclip.store.records import ClassMatch, EventFilter
from retclip.store.segments import spaces
from retclip.store.segments.categories import find_categories
from retclip.store.sql import catalog, seals
from retclip.store.sql.columns import Base
from retclip.store.sql.engine import transaction
from retclip.store.sql.row_checksum import SEAL
from retclip.store.work import ledger, outbox
from retclip.types import FeatureSpace, PhotoCredit

NATURAL = {  # what names a row instead of its number
    "dataset": "name", "image": "sha256", "category": "name_key", "proposer": "name",
    "feature_space": "fingerprint", "feature_shard": "sha256", "segment": "point_id", "store_version": "number",
}  # fmt: skip
RANDOM = {
    ("store_version", "index_name"), ("store_identity", "uuid"),
    ("event", "id"), ("segment_fact", "id"), ("class_fact", "id"),  # PostgreSQL counts on where a change is refused
}  # fmt: skip
OTHER = FeatureSpace("test.other", "none", "none", "area-1", 4)
NAMES = ("road", "Car", "Traffic  light", "élan", "Ｔree")


# Hashes of moments, and tables whose own tests run on both databases: test_chain_check, test_rejections, test_trust,
# test_traces.
ELSEWHERE = {"chain_link", "rejection_fact", "segment_trust", "trace", "trace_voter"}


def contents(store: FeatureStore) -> dict[str, list[tuple[str, ...]]]:
    """Every table's rows, sorted, with numbers replaced by what they point at."""
    tables = Base.metadata.tables
    with transaction(store.engine) as connection:
        rows = {name: connection.execute(select(table)).mappings().all() for name, table in tables.items()}
    names = {table: {row["id"]: row[key] for row in rows[table]} for table, key in NATURAL.items()}
    numbers = {int(row["id"]): str(row["point_id"]) for row in rows["segment"]}
    names["event"] = {number: place for place, number in enumerate(sorted(row["id"] for row in rows["event"]))}
    found = {}
    for name, table in tables.items():
        targets = {
            column.name: next(iter(column.foreign_keys)).column.table.name for column in table.c if column.foreign_keys
        }
        if "segment_id" in targets:  # also where it is half of a mask's key
            targets["segment_id"] = "segment"
            targets.pop("mask_no", None)
        told = []
        for row in rows[name]:
            values = {column: _plain(name, column, value, targets, names, numbers) for column, value in row.items()}
            told.append(tuple(f"{column}={value!r}" for column, value in values.items() if value is not Ellipsis))
        found[name] = sorted(told)
    return found


def _plain(table: str, column: str, value: Any, targets: dict, names: dict, numbers: dict) -> Any:
    """A value as both databases must agree on it; ... for what may differ."""
    if isinstance(value, datetime):
        assert value.utcoffset() is not None and value.utcoffset().total_seconds() == 0
        return "a time"
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True)  # PostgreSQL keeps its own order of keys
    if column == SEAL:  # it covers what may differ, too; that it fits its row has a test of its own
        return value is not None
    if (table, column) in RANDOM or (column == "id" and table in NATURAL):
        return ...
    if column == "segment_ids":
        return sorted(numbers[number] for number in np.frombuffer(value, dtype="<i8").tolist())
    if (table, column) == ("event", "target") and value.isdigit():  # of an undo
        return names["event"][int(value)]
    if column in targets and value is not None and targets[column] in names:
        return str(names[targets[column]][value])
    return value


def build(work, made) -> FeatureStore:
    store = work.open()
    made.commit(store, made.unit(1, classes=NAMES), made.unit(2, classes=NAMES))
    made.commit(store, made.unit(3, classes=NAMES[:2], per_class=5))
    return store


def rebuild(store: FeatureStore, made) -> None:
    """Fewer, then more segments than before, another proposer, and an image that moved."""
    made.commit(store, made.unit(1, classes=NAMES, per_class=1), replace(made.unit(2, classes=NAMES), uri="/moved.jpg"))
    credit = PhotoCredit("Ann", "CC BY 4.0", "https://example.org/6")
    made.commit(store, replace(made.unit(6, classes=NAMES), credit=credit))
    made.commit(store, made.unit(1, classes=NAMES, per_class=3), made.unit(3, classes=NAMES[:2]))
    other = store.runs.start(
        replace(made.plan("class_add"), recipe="f" * 64, proposer="another", proposer_settings={"size": [1, 2.5, None]})
    )
    store.runs.commit(other, [made.unit(4, classes=("van",))], {"van": True})
    with transaction(store.engine, write=True) as connection:
        ledger.finish_run(connection, other.id, "finished", {"images": 1, "rate": 0.1})


def replace_some(store: FeatureStore, made) -> None:
    """An addition that makes masks again and finds one no more: what they were is kept."""
    run = store.runs.start(made.plan("class_add"))
    store.runs.commit(run, [made.unit(2, classes=("road", "Car"), per_class=1, annotation="c")], {})


def fail(store: FeatureStore, made) -> None:
    """Failed units and refused changes; PostgreSQL counts its sequences on even where a change is refused."""
    run = store.runs.start(made.plan())
    bad = ledger.Failure("ü" * 300, "/photos/\N{SNOWMAN}.jpg", "no image: 'x'\n\t\\")
    for number in range(9):
        with transaction(store.engine, write=True) as connection:
            ledger.record_failure(connection, run.id, f"key {number % 2}", bad)
    good = made.unit(5, classes=("bus",))
    with pytest.raises(RetCLIPError):
        store.runs.commit(run, [replace(good, segments=(replace(good.segments[0], area=-1), good.segments[1]))], {})
    store.runs.commit(run, [good], {})


def edit(store: FeatureStore, made) -> None:
    """What people do: labels, quarantine, aliases, a removal that is undone, a merge."""
    point_id = made.ids(store, "image_id = (SELECT min(id) FROM image)")["car", 0]
    store.segments.relabel([point_id], "élan", "ann")
    store.classes.add_alias("bus", "Truck", "ann")
    removed = store.classes.remove("van", "ann").event
    store.classes.merge("bus", "car", "ann")
    store.undo(removed, "bob")
    first = "image_id = (SELECT min(id) FROM image)"
    store.segments.quarantine(list(made.ids(store, f"{first} AND prompt = 'road' AND ordinal = 0").values()), "ann")
    made.change(store, "UPDATE image SET seal = NULL, state = 2 WHERE external_id = '3.jpg'")
    made.announce(store)
    store.refresh()
    decide(store, made)


def decide(store: FeatureStore, made) -> None:
    """Names matched by rule, a fill in two runs, and what people say of both."""
    match = ClassMatch("cab", "car", MatchKind.TEXT, 0.95, similarity=0.1 + 0.2, encoder="e" * 16, reason="ü")
    fill = ClassMatch("Boat", "Kayak", MatchKind.SYNONYM, 0.95, "world", "world:x")
    for one in (match, fill, replace(match, query="unicorn", how=MatchKind.MISSING, matched="")):
        store._catalog.edit(class_matches.record, one)
    for number in (6, 7):
        run = store.runs.start(replace(made.plan(fills.KIND), config=fills.note(fill)))
        store.runs.commit(run, [made.unit(number, classes=("boat",))], {"boat": True})
    newest = store.matches.decisions().newest["boat"]
    store._catalog.edit(fills.finish_fill, newest)
    store.matches.accept("BOAT", "ann")
    store.matches.reject("boat", "bob", "no boats")
    store.matches.map_to("cab", "Truck", 0.95, "ann")


def add_space(store: FeatureStore, made) -> None:
    """A second space, not complete: vectors, what is let go, and a mask that is replaced afterwards."""
    run = made.adding(store, OTHER)
    first, *rest = made.lacking(store, run.space_id, 1)
    made.give(store, run, OTHER, rest[1:], without=[first])
    made.give(store, run, OTHER, [], without=made.lacking(store, run.space_id, 2), reason="photo")
    again = made.unit(1, classes=NAMES, annotation="b")
    made.commit(
        store, replace(again, segments=(again.segments[0], *(replace(one, rle=b"0") for one in again.segments[1:])))
    )


@pytest.fixture(scope="module")
def filled(both, made) -> list[FeatureStore]:
    """Both after all that work; the tests only read."""
    stores = [build(work, made) for work in both]
    for step in (rebuild, fail, edit, add_space, replace_some):
        for store in stores:
            step(store, made)
    for store in stores:
        reconcile.reconcile(store.projection(), repair=True)
    return stores


def test_every_table_says_the_same(filled) -> None:
    sqlite, postgresql = (contents(store) for store in filled)
    assert set(sqlite) == set(Base.metadata.tables)
    compared = {name: rows for name, rows in sqlite.items() if name not in ELSEWHERE}
    assert [name for name, rows in compared.items() if not rows] == [], "the work leaves no table empty"
    for name, rows in compared.items():
        assert rows == postgresql[name], name


def test_every_row_fits_its_checksum(filled) -> None:
    for store in filled:
        with transaction(store.engine) as connection:
            assert not seals.broken_rows(connection), connection.dialect.name


QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "classes": lambda c: [
        (one.name, one.is_thing, one.aliases, one.segments, one.images) for one in catalog.classes(c)
    ],
    "spaces": lambda c: [space for _, space in ledger.spaces(c)],
    "complete": lambda c: [(one.segments, one.lacking, one.without, one.pending) for one in spaces.states(c)],
    "lacking": lambda c: sorted(
        (str(one.point_id), one.class_name, one.accepted)
        for photo in spaces.photos_missing_vectors(c, 2, 0)
        for one in spaces.masks_missing_vectors(c, 2, photo.id)
    ),
    "places": lambda c: [
        (name, sorted(ids)) for name, ids in spaces.addresses(c, spaces.photos_missing_vectors(c, 2, 0)).items()
    ],
    "poison": lambda c: ledger.poisoned_units(c, ["key 0", "key 1"]),
    "names": lambda c: sorted(find_categories(c, ["truck", "lorry", "car", "traffic light", "tree", "?"])),
    "waiting": lambda c: outbox.pending_count(c, 1),
    "wanted": lambda c: wanted_points.count(c, 1),
    "events": lambda c: [
        (one.actor, one.action, one.now, one.segments, one.runs, one.source, one.undoes is None)
        for one in event_log.log(c, EventFilter())
    ],
    "moments": lambda c: [
        [(one.name, one.aliases, one.segments, one.images) for one in moments.classes_at(c, event.id)]
        for event in event_log.log(c, EventFilter())[::3]
    ],
    "difference": lambda c: [
        (len(found.classes), sorted(str((one.before, one.after)) for one in found.segments))
        for event in event_log.log(c, EventFilter())[::3]
        for found in (moments.difference(c, event.id, event_log.log(c, EventFilter())[-1].id),)
    ],
    "stale": lambda c: (segment_facts.stale(c), class_facts.stale(c)),
    "decisions": lambda c: [
        replace(one, at=datetime.min, category=one.category is not None, event=one.event is not None)
        for one in class_matches.history(c)
    ],
    "barred": lambda c: class_matches.decisions(c).barred_names("boat", "world"),
    "fill": lambda c: fills.fill_runs(c, ClassMatch("boat", "kayak", MatchKind.MAP, 0.5, "world")),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_both_answer_the_same(filled, question: str) -> None:
    answers = []
    for store in filled:
        with transaction(store.engine) as connection:
            answers.append(QUESTIONS[question](connection))
    assert answers[0] == answers[1]
