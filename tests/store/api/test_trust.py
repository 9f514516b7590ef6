"""What is kept of the trust in labels, on both databases: for which revision, replaced, deleted, and migrated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sqlalchemy import inspect

from retclip.store.records import TrustRow
from retclip.store.sql import schema
from retclip.store.sql.engine import transaction


def judged(store, trust=0.25, **values):
    """A row for every visible segment."""
    now = store.trust.segments()
    return [
        TrustRow(int(row), int(rev), int(category), trust, 0.3, 0.1, values.get("suggested"))
        for row, rev, category in zip(now.rows, now.revs, now.categories, strict=True)
    ]


def test_segments_come_with_their_vectors(store, made) -> None:
    now = store.trust.segments()
    assert len(now) == 12 and now.vectors.shape == (12, made.dim)
    wanted = np.concatenate([made.unit(1).vectors, made.unit(2).vectors])
    assert np.abs(now.vectors - wanted).max() < 1e-3
    assert now.images.tolist() == [1] * 6 + [2] * 6 and set(now.datasets.tolist()) == {1}


def test_what_is_kept_is_read_again_and_replaced(store) -> None:
    rows = judged(store)
    store.trust.keep(rows, [])
    assert store.trust.kept() == rows and store.trust.state().current
    store.trust.keep(judged(store, 0.75)[:2], [rows[-1].segment])
    assert [row.trust for row in store.trust.kept()] == [0.75] * 2 + [0.25] * 9
    state = store.trust.state()
    assert (state.segments, state.judged, state.gone, state.current) == (12, 11, 0, False)


def test_a_trust_is_of_one_revision(store, made) -> None:
    store.trust.keep(judged(store, suggested=1), [])
    ids = made.ids(store, "image_id = 1")
    assert store.trust.values(list(ids.values())) == dict.fromkeys(ids.values(), 0.25)
    edit = store.segments.relabel([ids["car", 0]], "tree", "ann")
    store.segments.quarantine([ids["road", 0]], "ann")
    assert set(store.trust.values(list(ids.values()))) == set(ids.values()) - {ids["car", 0], ids["road", 0]}
    state = store.trust.state()
    assert (state.segments, state.judged, state.gone) == (11, 10, 2)
    assert {label.id for label in store.trust.labels()}.isdisjoint({ids["car", 0], ids["road", 0]})
    store.undo(edit.event, "ann")
    assert not store.trust.state().current  # its revision grew: it is computed again


def test_the_least_trusted_come_first_and_those_without_last(store, made) -> None:
    rows = judged(store, suggested=2)
    values = [None, *(0.9 - n / 100 for n in range(11))]
    store.trust.keep([TrustRow(row.segment, row.rev, row.category, value, *(0.1, 0.1, 2))
                      for row, value in zip(rows, values, strict=True)], [])  # fmt: skip
    labels = store.trust.labels()
    assert [label.trust for label in labels] == [*sorted(values[1:]), None]
    assert {label.suggested for label in labels} == {store.classes.all()[0].name} | {labels[0].suggested}
    assert labels[0].class_name in made.classes


def test_the_migration_goes_down_and_up_with_data(store) -> None:
    store.trust.keep(judged(store), [])
    schema.downgrade(store.engine, "0011")
    with transaction(store.engine) as connection:
        assert "segment_trust" not in set(inspect(connection).get_table_names())
    schema.upgrade(store.engine)
    assert schema.differences(store.engine) == []
    assert store.trust.kept() == [] and len(store.trust.segments()) == 12
    store.trust.keep(judged(store), [])
    assert store.trust.state().current


def test_neighbours_come_with_trust_and_the_doubted_stay_away(store, made) -> None:
    rows = judged(store)
    values = [0.1, None, *(0.5 + n / 100 for n in range(10))]
    doubted = [replace(row, trust=value) for row, value in zip(rows, values, strict=True)]
    store.trust.keep(doubted, [])
    classes = [row.id for row in store.classes.all()]
    vectors = torch.from_numpy(made.unit(1).vectors[:1])  # the doubted segment's own
    plain = store.nearest(vectors, classes, 4, False)
    assert plain.trust is None
    near = store.nearest(vectors, classes, 4, False, trusted=True)
    assert np.array_equal(near.ids, plain.ids) and torch.equal(near.distances, plain.distances)
    first = store.trust.segments().ids
    known = dict(zip(first, values, strict=True))
    for one, trust in zip(near.ids[0], near.trust[0].tolist(), strict=True):
        assert trust == pytest.approx(np.nan if known[one] is None else known[one], nan_ok=True)
    assert near.ids[0, 0] == first[0]
    fewer = store.nearest(vectors, classes, 4, False, min_trust=0.2)
    assert fewer.ids[0].tolist() == [*near.ids[0, 1:], None] and fewer.trust is None
    assert fewer.classes[0, -1] == -1 and torch.isinf(fewer.distances[0, -1])
    assert first[1] in store.nearest(vectors, classes, 12, False, min_trust=1.0).ids  # nothing is known against it


def test_lists_and_details_tell_the_trust_of_the_present_revision_and_the_nearer_class(store, made) -> None:
    ids = made.ids(store, "image_id = 1")
    car, road = ids["car", 0], ids["road", 0]
    assert [one.trust for one in store.segments.listed([car, road])] == [None, None]  # nothing was computed
    tree = next(row.id for row in store.classes.all() if row.name == "tree")
    now = store.trust.segments()
    rows = dict(zip(now.ids, judged(store, suggested=tree), strict=True))
    store.trust.keep([rows[car], replace(rows[road], trust=0.75)], [])
    listed = [(one.trust, one.suggested) for one in store.segments.listed([car, road])]
    assert listed == [(0.25, "tree"), (0.75, "")]
    for one, told in zip((car, road), listed, strict=True):
        details = store.segments.details(one)
        assert (details.trust, details.suggested) == told
    store.segments.relabel([car], "tree", "ann")  # what was said of another label says nothing of this one
    assert store.segments.details(car).trust is None
    assert [(one.trust, one.suggested) for one in store.segments.listed([car])] == [(None, "")]
