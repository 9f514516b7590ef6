"""Search by vector under filters, held against a comparison with every stored vector in numpy; pages; every state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from retclip.errors import ConfigError, DataError, ShapeError, SpaceMismatch
from retclip.store.index.protocol import empty_hits
from retclip.store.records import SegmentFilter, StoreOptions
from retclip.store.search import filtered_search
from retclip.types import FeatureSpace

ENGINES = {"edge": {}, "resident": {"index": "resident"}, "server": {"index": "server", "qdrant_url": ":memory:"}}
FILTERS = [
    {}, {"states": ()}, {"states": "quarantined"}, {"states": "retired"}, {"states": ("visible", "retired")},
    {"classes": "road"}, {"classes": ("road", "car"), "datasets": "other"}, {"runs": 2, "min_score": 0.25},
    {"images": ("1.jpg", "3.jpg")}, {"label_sources": "person", "states": ()}, {"max_score": 0.45},
    {"since": datetime(2020, 1, 1), "classes": "car"}, {"until": datetime(2020, 1, 1)},
]  # fmt: skip


def filled(work, made):
    """Six photos by two runs, of two data sets; some segments quarantined, relabelled, and a class removed."""
    store = work.open()
    made.commit(store, made.unit(1), made.unit(2))
    second = store.runs.start(replace(made.plan(), dataset="other"))
    units = [
        replace(unit, segments=tuple(replace(one, score=0.1 * place) for place, one in enumerate(unit.segments)))
        for unit in map(made.unit, (3, 4, 5, 6))
    ]
    store.runs.commit(second, units, dict.fromkeys(made.classes, True))
    points = store.segments.select(SegmentFilter(states=()), 100).ids
    store.segments.quarantine(points[6:9], "ann")
    store.segments.relabel([points[4], points[20]], "road", "ann")
    store.classes.remove("tree", "ann")
    return store


@pytest.fixture(params=ENGINES)
def store(request, work, made):
    if request.param != "edge" and not work.options.database:
        pytest.skip("each engine once; the embedded one over both databases")
    work.options = replace(work.options, **ENGINES[request.param])
    return filled(work, made)


@pytest.fixture
def plain(tmp_path, catalog, light_work, made):
    return filled(light_work, made)


def query(seed=0):
    found = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return found / np.linalg.norm(found)


def scanned(store, chosen, vector, without=()):
    """(distance, id) of every segment that passes, nearest first, from the archive's vectors."""
    ids = [one for one in store.segments.select(SegmentFilter(**chosen), 1000).ids if one not in without]
    vectors = store.segments.vectors(ids)
    order = {one: number for number, one in enumerate(ids)}
    distances = {one: round(1 - float(vectors[one].astype(np.float64) @ vector), 7) for one in ids}
    return sorted(((distances[one], one) for one in ids), key=lambda pair: (pair[0], order[pair[1]]))


def paged(store, chosen, vector, limit, **options):
    found, after = [], None
    while True:
        page = store.search(vector, SegmentFilter(**chosen), limit, after, **options)
        found += zip(page.distances, page.ids, strict=True)
        after = page.next
        assert page.exact and len(page.ids) <= limit
        if after is None:
            return found


def test_every_filter_finds_what_a_scan_finds_page_by_page(store):
    for number, chosen in enumerate(FILTERS):
        truth = scanned(store, chosen, query(number))
        assert paged(store, chosen, query(number), 5) == truth, chosen
        assert paged(store, chosen, query(number), 100) == truth, chosen


def test_what_sql_alone_knows_is_found_in_steps_and_by_comparing_all(plain, monkeypatch):
    steps = []
    index = plain.projection().index
    original = index.search_where
    monkeypatch.setattr(index, "search_where", lambda *asked: steps.append(asked[1]) or original(*asked))
    monkeypatch.setattr(
        plain._indexes.of(*plain.spaces.row_of(None)).projection.index, "search_where", index.search_where
    )
    chosen = {"min_score": 0.25, "max_score": 0.35}
    truth = scanned(plain, chosen, query())
    assert len(truth) == 4 and paged(plain, chosen, query(), 2) == truth and not steps  # few: compared one by one
    for most in (1 << 15, 4):
        monkeypatch.setattr(filtered_search, "FEW", 2)
        monkeypatch.setattr(filtered_search, "SPARE", 0)
        monkeypatch.setattr(filtered_search, "MOST", most)
        steps.clear()
        assert paged(plain, chosen, query(), 2) == truth
        assert len(steps) > 2 if most > 4 else steps  # in widening steps; where they are too wide, by comparing all


def test_an_index_that_lacks_rounding_orders_as_the_archive_does(plain, monkeypatch):
    """Equal distances come in the order of their storing, whatever the index says first."""
    twin = query()
    ids = plain.segments.select(SegmentFilter(), 100).ids
    monkeypatch.setattr(filtered_search, "_distances", lambda _projection, _vector, rows: np.full(len(rows), 0.5))
    found = paged(plain, {}, twin, 3)
    assert [one for _, one in found] == list(ids)


def test_an_index_that_is_off_by_its_rounding_loses_nothing(plain, monkeypatch):
    """Its distances and its order are wrong by as much as it says; pages are those of a scan all the same."""
    index, rng = plain.projection().index, np.random.default_rng(5)
    noise = {one: float(rng.uniform(-0.3, 0.3)) for one in plain.segments.select(SegmentFilter(states=()), 100).ids}

    def off(queries, k, where, exact=True):
        hits = original(queries, index.count(), where, exact)
        near = [(float(d) + noise[one], one) for d, one in zip(hits.distances[0], hits.ids[0], strict=True) if one]
        found = empty_hits(1, k)
        for column, (distance, one) in enumerate(sorted(near)[:k]):
            found.distances[0, column], found.ids[0, column] = distance, one
        return found

    original = index.search_where
    monkeypatch.setattr(index, "search_where", off)
    monkeypatch.setattr(index, "rounding", 0.3)
    monkeypatch.setattr(filtered_search, "SPARE", 0)
    for seed in range(4):
        assert paged(plain, {}, query(seed), 3) == scanned(plain, {}, query(seed))


def test_what_is_left_out_and_what_changed_between_two_pages(plain):
    vector, first = query(3), plain.search(query(3), SegmentFilter(), 4)
    truth = scanned(plain, {}, vector)
    assert paged(plain, {}, vector, 4, without=first.ids[:2]) == truth[2:]
    plain.segments.quarantine(first.ids[:3], "ann")  # a later page is not moved by what is before it
    rest = plain.search(vector, SegmentFilter(), 100, first.next)
    assert list(zip(rest.distances, rest.ids, strict=True)) == truth[4:]


def test_a_hidden_segment_is_never_among_the_visible_whatever_the_index_says(plain, made):
    near = plain.search(query(), SegmentFilter(), 1).ids[0]
    made.change(plain, "UPDATE segment SET status = 1 WHERE id = (SELECT min(id) FROM segment WHERE status = 0)")
    hidden = set(plain.segments.select(SegmentFilter(states="quarantined"), 100).ids)
    assert not hidden & {one for _, one in paged(plain, {}, query(), 100)} and near


def test_ids_and_dates_are_conditions_too(plain):
    ids = plain.segments.select(SegmentFilter(states=()), 100).ids[3:15]
    soon = datetime.now(UTC) + timedelta(hours=1)
    for chosen in ({"ids": ids}, {"ids": ids, "states": ()}, {"until": soon}, {"since": soon}, {"ids": ()}):
        assert paged(plain, chosen, query(1), 4) == scanned(plain, chosen, query(1)), chosen


def test_a_very_large_index_is_walked_and_says_so(plain, monkeypatch):
    monkeypatch.setattr(filtered_search, "EXACT_POINTS", 3)
    page = plain.search(query(), SegmentFilter(), 5)
    assert not page.exact and len(page.ids) == 5


def test_what_cannot_be_is_refused(plain):
    after = plain.search(query(), SegmentFilter(), 2, words=("text", "car")).next
    for words, chosen in ((("text", "cat"), SegmentFilter()), (("text", "car"), SegmentFilter(classes="road"))):
        with pytest.raises(ConfigError, match="another question"):
            plain.search(query(), chosen, 2, after, words=words)
    with pytest.raises(ConfigError, match="at least 1"):
        plain.search(query(), SegmentFilter(), 0)
    with pytest.raises(DataError, match="kayak"):
        plain.search(query(), SegmentFilter(classes="kayak"), 2)
    with pytest.raises(ShapeError):
        plain.search(np.ones(3, np.float32), SegmentFilter(), 2)
    with pytest.raises(SpaceMismatch):
        plain.search(query(), SegmentFilter(), 2, space=FeatureSpace("another", "none", "none", "area-1", 8))


def test_an_empty_answer_has_no_next_page(light_work, made):
    store = light_work.open()
    made.commit(store, made.unit(1))
    store.segments.quarantine(store.segments.select(SegmentFilter(), 100).ids, "ann")
    page = store.search(query(), SegmentFilter(), 5)
    assert (page.ids, page.distances, page.next) == ((), (), None) and StoreOptions().index == "edge"
