"""One contract for every index: what `VectorIndex` promises, held against exact search in numpy."""

from __future__ import annotations

import uuid

import numpy as np
import pytest
import torch

from retclip.errors import ShapeError
from retclip.store.index.protocol import PAYLOAD, Points, VectorIndex, payload_row

DIM = 8
DISTANCE = 2e-3  # float16 storage moves a cosine by up to about 1e-3


def make_points(count: int, seed: int = 0, revision: int = 1, classes: int = 5, state: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    payload = np.zeros((count, len(PAYLOAD)), dtype=np.int64)
    payload[:, PAYLOAD.index("cat")] = np.arange(count) % classes
    payload[:, PAYLOAD.index("img")] = np.arange(count) // 3
    payload[:, PAYLOAD.index("st")] = state
    payload[:, PAYLOAD.index("rev")] = revision
    ids = [uuid.UUID(int=seed * 1_000_000 + n + 1) for n in range(count)]
    return Points(ids, vectors, payload)


def queries(count: int = 4, seed: int = 99) -> torch.Tensor:
    found = torch.randn(count, DIM, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(found, dim=1)


def exact(points: Points, asked: torch.Tensor, k: int, keep: np.ndarray) -> list[list[uuid.UUID]]:
    rows = np.flatnonzero(keep)
    similarity = asked.numpy() @ points.vectors[rows].T
    return [[points.ids[rows[column]] for column in np.argsort(-row)[:k]] for row in similarity]


def test_search_is_exact_search(index: VectorIndex) -> None:
    points, asked = make_points(300), queries()
    index.upsert(points)
    hits = index.search(asked, 10)
    assert hits.ids.tolist() == exact(points, asked, 10, np.ones(300, dtype=bool))
    near = [points.ids.index(one) for one in hits.ids[0]]
    np.testing.assert_allclose(hits.distances[0], 1 - points.vectors[near] @ asked[0].numpy(), atol=DISTANCE)
    assert hits.classes[0].tolist() == [n % 5 for n in near]
    assert (np.diff(hits.distances, axis=1) >= -1e-6).all(), "nearest first"


def test_search_within_classes(index: VectorIndex) -> None:
    points, asked = make_points(300), queries()
    index.upsert(points)
    wanted = np.isin(points.payload[:, 0], [1, 3])
    assert index.search(asked, 7, [1, 3]).ids.tolist() == exact(points, asked, 7, wanted)


def test_search_per_class_is_a_search_for_each_class(index: VectorIndex) -> None:
    points, asked = make_points(300), queries()
    index.upsert(points)
    hits = index.search_per_class(asked, 2, [0, 4])
    assert hits.ids.shape == (4, 4)
    each = [exact(points, asked, 2, points.payload[:, 0] == one) for one in (0, 4)]
    for row in range(4):
        assert set(hits.ids[row]) == {*each[0][row], *each[1][row]}
    assert (np.diff(hits.distances, axis=1) >= -1e-6).all(), "nearest first over all classes"


def test_an_empty_index_has_nothing_of_any_class(index: VectorIndex) -> None:
    """Before the first point and after the last one went; and of classes that have none beside some that have."""
    for points in (make_points(0), make_points(3)):
        index.upsert(points)
        index.delete(points.ids)
        assert index.search_per_class(queries(), 2, [0, 4]).ids.tolist() == [[None] * 4] * 4
    index.upsert(make_points(3, seed=1, classes=1))
    hits = index.search_per_class(queries(2), 2, [8, 0, 9])
    assert [sum(one is not None for one in row) for row in hits.ids] == [2, 2]
    assert np.isinf(hits.distances[:, 2:]).all()


def test_hidden_points_are_never_found(index: VectorIndex) -> None:
    index.upsert(make_points(20))
    hidden = make_points(20, revision=2, state=1)
    index.upsert(Points(hidden.ids[:10], hidden.vectors[:10], hidden.payload[:10]))
    found = set(index.search(queries(), 20).ids.ravel()) - {None}
    assert found == set(hidden.ids[10:])
    assert index.count() == 20, "hidden is not gone"


def test_an_older_revision_changes_nothing(index: VectorIndex) -> None:
    """Batches may come late or twice: revisions 1, 3, 2, 3, 4 must read 1, 3, 3, 3, 4 (stores.md 1.4)."""
    seen = []
    for revision in (1, 3, 2, 3, 4):
        points = make_points(3, seed=7, revision=revision)
        points.payload[:, 0] = revision  # so that what stays can be told apart
        index.upsert(points)
        seen.append({int(row[PAYLOAD.index("rev")]) for _, row in index.scan()})
        assert {int(row[0]) for _, row in index.scan()} == seen[-1]
    assert seen == [{1}, {3}, {3}, {3}, {4}]


def test_a_batch_may_mix_revisions(index: VectorIndex) -> None:
    index.upsert(make_points(6, revision=2))
    mixed = make_points(6, revision=1)
    mixed.payload[3:, PAYLOAD.index("rev")] = 5
    mixed.payload[:, 0] = 77
    index.upsert(mixed)
    classes = {one: int(row[0]) for one, row in index.scan()}
    assert [classes[one] for one in mixed.ids] == [0, 1, 2, 77, 77, 77]


def test_delete_forgets_and_may_be_repeated(index: VectorIndex) -> None:
    points, asked = make_points(50), queries()
    index.upsert(points)
    index.delete(points.ids[:20])
    index.delete([*points.ids[:20], uuid.uuid4()])
    kept = np.arange(50) >= 20
    assert index.count() == 30
    assert index.search(asked, 5).ids.tolist() == exact(points, asked, 5, kept)
    assert index.vectors(points.ids[:20]) == {}


def test_scan_and_vectors_give_back_what_was_stored(index: VectorIndex) -> None:
    points = make_points(2100)  # more than a page
    index.upsert(points)
    held = dict(index.scan())
    assert held.keys() == set(points.ids)
    for n in (0, 1000, 2099):
        assert held[points.ids[n]].tolist() == points.payload[n].tolist()
    found = index.vectors(points.ids[:300])
    np.testing.assert_allclose(np.stack([found[one] for one in points.ids[:300]]), points.vectors[:300], atol=1e-3)


def test_fewer_points_than_asked_for(index: VectorIndex) -> None:
    empty = index.search(queries(2), 3)
    assert (empty.ids == None).all() and np.isinf(empty.distances).all() and (empty.classes == -1).all()  # noqa: E711
    index.upsert(make_points(2))
    hits = index.search(queries(2), 5)
    assert [sum(one is not None for one in row) for row in hits.ids] == [2, 2]
    assert np.isinf(hits.distances[:, 2:]).all() and (hits.classes[:, 2:] == -1).all()
    assert index.search(queries(2), 5, [9]).ids.tolist() == [[None] * 5] * 2, "a class without points"
    assert index.search(queries(0), 5).ids.shape == (0, 5)


@pytest.mark.parametrize("fault", ["nan", "inf", "zero", "long", "size", "payload"])
def test_a_bad_batch_is_refused_whole(index: VectorIndex, fault: str) -> None:
    """The engines accept NaN and apply the good rows of a bad batch (stores.md 1.6)."""
    points = make_points(5)
    vectors, payload = points.vectors.copy(), points.payload
    if fault == "size":
        vectors = vectors[:, :5]
    elif fault == "payload":
        payload = payload[:, :3]
    else:
        vectors[3] = {"nan": np.nan, "inf": np.inf, "zero": 0.0, "long": 3.0}[fault]
    with pytest.raises(ShapeError):
        index.upsert(Points(points.ids, vectors, payload))
    assert index.count() == 0


def test_distances_reach_from_0_to_2(index: VectorIndex) -> None:
    points = make_points(1)
    index.upsert(points)
    same = torch.from_numpy(points.vectors)
    assert index.search(same, 1).distances[0, 0] == pytest.approx(0.0, abs=DISTANCE)
    assert index.search(-same, 1).distances[0, 0] == pytest.approx(2.0, abs=DISTANCE)


def test_optimize_changes_no_answer(index: VectorIndex) -> None:
    points, asked = make_points(200), queries()
    index.upsert(points)
    before = index.search(asked, 5).ids.tolist()
    index.optimize()
    assert index.search(asked, 5).ids.tolist() == before
    index.close()
    index.close()  # twice is no error


def test_filtered_is_what_a_search_for_class_and_state_looks_among(index: VectorIndex) -> None:
    shown, hidden = make_points(30), make_points(10, seed=1, state=1)
    index.upsert(shown)
    index.upsert(hidden)
    for category in range(6):
        for state, points in ((0, shown), (1, hidden)):
            own = {one for one, row in zip(points.ids, points.payload, strict=True) if row[0] == category}
            assert set(index.filtered(category, state)) == own
    assert list(index.filtered(0, 2)) == []


def test_a_payload_that_lost_an_integer_is_none_that_anything_wants() -> None:
    whole = {"cat": 1, "img": 2, "ds": 3, "st": 0, "rev": 5, "run": 6}
    assert payload_row(whole).tolist() == [1, 2, 3, 0, 5, 6]
    assert payload_row({**whole, "st": "zero", "run": None}).tolist() == [1, 2, 3, -1, 5, -1]
    assert payload_row(None).tolist() == payload_row({}).tolist() == [-1] * 6


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"st": [0]},
        {"st": [0, 1], "cat": [1, 3]},
        {"img": [4, 5, 6, 70], "st": [0]},
        {"ds": [9]},
        {"run": [2], "cat": [0]},
    ],
)
def test_a_search_under_any_integers_is_exact_search(index: VectorIndex, where: dict[str, list[int]]) -> None:
    points, asked = make_points(300), queries()
    points.payload[::7, PAYLOAD.index("st")] = 1
    points.payload[::2, PAYLOAD.index("run")] = 2
    index.upsert(points)
    keep = np.ones(300, dtype=bool)
    for key, values in where.items():
        keep &= np.isin(points.payload[:, PAYLOAD.index(key)], values)
    hits, count = index.search_where(asked, 9, where), min(9, int(keep.sum()))
    assert hits.ids.shape == (4, 9) and hits.ids[:, :count].tolist() == exact(points, asked, count, keep)
    assert (hits.ids[:, count:] == np.array(None)).all() and np.isinf(hits.distances[:, count:]).all()
    near = [[points.ids.index(one) for one in row[:count]] for row in hits.ids]
    truth = np.array([1 - points.vectors[row] @ query for row, query in zip(near, asked.numpy(), strict=True)])
    assert np.abs(hits.distances[:, :count] - truth.reshape(4, count)).max(initial=0) <= index.rounding
