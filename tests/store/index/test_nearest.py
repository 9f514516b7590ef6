"""From hits to neighbours: what SQL does not call visible drops out, and classes are numbered as the user's are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Segment
from retclip.types import Neighbours


@pytest.fixture(params=["edge", "resident"])
def store(request, sqlite_work) -> FeatureStore:
    """Images 1 to 4, two segments each of road, car and tree: eight segments a class."""
    sqlite_work.options = StoreOptions(index=request.param)
    opened = sqlite_work.open()
    sqlite_work.fill(opened, [1, 2, 3, 4], chunk=4)
    return opened


@pytest.fixture
def classes(store: FeatureStore) -> dict[str, int]:
    return {one.name: one.id for one in store.classes.all()}


def queries(count: int = 3) -> torch.Tensor:
    found = torch.randn(count, 8, generator=torch.Generator().manual_seed(5))
    return torch.nn.functional.normalize(found, dim=1)


def truth(store: FeatureStore, asked: torch.Tensor, category: int, made) -> list[list]:
    """Per query, (distance, id) of the visible segments of a class, nearest first, by arithmetic on what was stored."""
    units = {unit.image_sha256: unit for unit in (made.unit(number) for number in (1, 2, 3, 4))}
    with transaction(store.engine) as connection:
        rows = connection.execute(
            Segment.__table__.select().where(Segment.category_id == category, Segment.status == 0)
        ).all()
    images = dict(made.ask(store, "SELECT id, sha256 FROM image"))
    found = []
    for row in rows:
        unit = units[images[row.image_id]]
        place = [(one.prompt, one.ordinal) for one in unit.segments].index((row.prompt, row.ordinal))
        found.append((unit.vectors[place], row.point_id))
    return [sorted((1 - float(vector @ query), str(one)) for vector, one in found) for query in asked.numpy()]


def neighbours(store: FeatureStore, of: list[int | None], k: int = 4, per_class: bool = True) -> Neighbours:
    return store.nearest(queries(), of, k, per_class)


def test_the_k_nearest_of_each_class(store: FeatureStore, classes, made) -> None:
    found = neighbours(store, [classes["tree"], classes["road"]], k=3)
    assert found.ids.shape == found.classes.shape == found.distances.shape == (3, 6)
    assert (found.distances.diff(dim=1) >= 0).all(), "nearest first over all"
    for index, name in enumerate(("tree", "road")):
        for row, expected in enumerate(truth(store, queries(), classes[name], made)):
            mine = (found.classes[row] == index).numpy()
            assert [str(one) for one in found.ids[row][mine]] == [one for _, one in expected[:3]]
            np.testing.assert_allclose(found.distances[row].numpy()[mine], [d for d, _ in expected[:3]], atol=2e-3)


def test_the_k_nearest_over_all_classes(store: FeatureStore, classes, made) -> None:
    found = neighbours(store, [classes["tree"], classes["road"]], k=5, per_class=False)
    pairs = zip(*(truth(store, queries(), classes[name], made) for name in ("tree", "road")), strict=True)
    expected = [[one for _, one in sorted([*trees, *roads])[:5]] for trees, roads in pairs]
    assert [[str(one) for one in row] for row in found.ids] == expected
    assert {*found.classes.ravel().tolist()} <= {0, 1}


def test_no_more_places_than_points(store: FeatureStore, classes) -> None:
    """Every place costs memory, in the votes with its square."""
    found = neighbours(store, [classes["car"]], k=1_000_000, per_class=False)
    assert found.ids.shape == found.distances.shape == (3, 24)
    assert neighbours(store, [classes["car"], classes["tree"]], k=1_000_000).ids.shape == (3, 48)


def test_fewer_than_k(store: FeatureStore, classes) -> None:
    found = neighbours(store, [classes["car"]], k=20)
    assert found.ids.shape == (3, 20)
    assert ((found.ids != None).sum(axis=1) == 8).all()  # noqa: E711  (per element)
    assert (found.classes[:, 8:] == -1).all() and found.distances[:, 8:].isinf().all()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE segment SET status = 1 WHERE prompt = 'car' AND image_id = 1",
        "UPDATE segment SET status = 2 WHERE prompt = 'car' AND image_id = 1",
        "UPDATE image SET state = 2 WHERE id = 1",
    ],
)
@pytest.mark.parametrize("per_class", [True, False])
def test_a_late_index_shows_nothing_that_sql_hides(store: FeatureStore, classes, made, change, per_class) -> None:
    """Nobody told the index: it still answers with the segment, and the answer is dropped."""
    hidden = set(made.ids(store, "prompt = 'car' AND image_id = 1").values())
    assert hidden <= set(neighbours(store, [classes["car"]], 8, per_class).ids.ravel())
    made.change(store, change)
    index = store.projection().index
    assert hidden <= set(index.search(queries(), 8, [classes["car"]]).ids.ravel()), "the index is late"
    found = neighbours(store, [classes["car"]], 8, per_class)
    assert not hidden & set(found.ids.ravel())
    assert ((found.ids != None).sum(axis=1) == 6).all()  # noqa: E711
    assert (found.classes[:, 6:] == -1).all() and found.distances[:, 6:].isinf().all()


def test_a_retired_class_has_no_neighbours(store: FeatureStore, classes, made) -> None:
    made.change(store, "UPDATE category SET retired_at = '2024-01-01 00:00:00' WHERE name = 'car'")
    found = neighbours(store, [classes["car"], classes["road"]])
    assert found.supported.tolist() == [False, True] and not (found.classes == 0).any()


def test_a_hit_counts_for_what_it_is_called_now(store: FeatureStore, classes, made) -> None:
    """The index still says car; SQL says road, and road was asked for too."""
    point_id = made.ids(store, "image_id = 1")["car", 0]
    made.change(
        store,
        "UPDATE segment SET category_id = :road WHERE image_id = 1 AND prompt = 'car' AND ordinal = 0",
        road=classes["road"],
    )
    found = neighbours(store, [classes["car"], classes["road"]], k=8)
    assert set(found.classes.numpy()[found.ids == point_id].tolist()) == {1}
    only_cars = neighbours(store, [classes["car"]], k=8)
    assert point_id not in only_cars.ids, "it is no car any more"


@pytest.mark.parametrize("per_class", [True, False])
def test_a_stored_class_that_two_classes_match_counts_for_both(store: FeatureStore, classes, per_class: bool) -> None:
    alone = neighbours(store, [classes["car"]], 4, per_class)
    found = neighbours(store, [classes["car"], classes["tree"], classes["car"]], 4, per_class)
    for row in range(3):
        mine = {index: [*found.ids[row][(found.classes[row] == index).numpy()]] for index in (0, 1, 2)}
        assert mine[0] == mine[2] and mine[0]
        if per_class:
            assert mine[0] == [*alone.ids[row]] and len(mine[1]) == 4
    assert (found.distances.diff(dim=1).nan_to_num(0) >= 0).all()


def test_which_classes_are_supported(store: FeatureStore, classes, made) -> None:
    """Having no neighbour and having nothing to find are different answers."""
    made.change(store, "UPDATE segment SET status = 1 WHERE prompt = 'tree'")
    found = neighbours(store, [None, classes["car"], classes["tree"], classes["road"], 999])
    assert found.supported.tolist() == [False, True, False, True, False]
    assert {*found.classes.unique().tolist()} == {1, 3}


@pytest.mark.parametrize("of", [[], [None], [999]])
def test_nothing_to_look_for(store: FeatureStore, of: list) -> None:
    found = neighbours(store, of, k=4)
    assert found.supported.tolist() == [False] * len(of)
    assert len(found.ids) == 3 and all(one is None for one in found.ids.ravel())
    assert (found.classes == -1).all() and found.distances.isinf().all()


def test_an_empty_store_supports_nothing_and_is_no_error(sqlite_work) -> None:
    found = sqlite_work.open().nearest(queries(), [None, 1], 4, per_class=False)
    assert (found.ids.shape, found.classes.shape, found.supported.tolist()) == ((3, 0), (3, 0), [False, False])


def test_no_queries(store: FeatureStore, classes) -> None:
    found = store.nearest(torch.zeros(0, 8), [classes["car"]], 4, per_class=True)
    assert len(found.ids) == len(found.classes) == len(found.distances) == 0
    assert found.supported.tolist() == [True]
