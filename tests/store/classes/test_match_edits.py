"""Accept, reject, map: rows beside rows, and segments that go where a fill no longer counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retclip.errors import DataError
from retclip.names import MatchKind
from retclip.store.classes.class_matches import history, record
from retclip.store.classes.fills import KIND, finish_fill, note
from retclip.store.classes.match_edits import accept, map_to, map_to_fallback, reject
from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile
from retclip.store.records import ClassMatch
from retclip.store.sql.engine import transaction

TEXT = ClassMatch("lorry", "car", MatchKind.TEXT, 0.95, similarity=0.97, encoder="e")
FILL = ClassMatch("boat", "Kayak", MatchKind.EXACT, 0.95, "world", "world:")
ELSEWHERE = replace(FILL, matched="Canoe", how=MatchKind.MAP, decision="accepted", decided_by="ann")


@pytest.fixture
def store(light_work, made) -> FeatureStore:
    """A store with a match by text, a name that is missing, and a fill."""
    store = light_work.open()
    made.commit(store, made.unit(1))
    nothing = ClassMatch("unicorn", "horse", MatchKind.MISSING, 0.95, "world", "world:", 0.6)
    for one in (TEXT, nothing, FILL):
        store._catalog.edit(record, one)
    run = store.runs.start(replace(made.plan(KIND), config=note(FILL)))
    store.runs.commit(run, [made.unit(2, classes=("boat",))], {"boat": True})
    return store


@pytest.fixture
def ended(store: FeatureStore) -> FeatureStore:
    """The same with the fill complete."""
    newest = store.matches.decisions().newest["boat"]
    store._catalog.edit(finish_fill, newest)
    return store


def edit(store: FeatureStore, change, *given, **more):
    return store._catalog.edit(change, *given, **more)


def rows(store: FeatureStore, query: str) -> list[tuple[str, str, str]]:
    with transaction(store.engine) as connection:
        return [(one.matched, one.decision, one.decided_by) for one in history(connection, query)]


def segments(store: FeatureStore, name: str) -> int:
    return next((one.segments for one in store.classes.all() if one.name == name), 0)


def test_accepting_confirms_and_keeps_what_was_decided(ended: FeatureStore) -> None:
    found = edit(ended, accept, "LORRY", "ann", "right")
    assert (found.decision, found.decided_by, found.reason, found.similarity) == ("accepted", "ann", "right", 0.97)
    assert rows(ended, "lorry") == [("car", "auto", ""), ("car", "accepted", "ann")]
    found = edit(ended, accept, "boat", "ann")
    assert found.event is not None and segments(ended, "boat") == 2, "the fill is still the same"


def test_rejecting_a_match_with_the_store_changes_no_segment(ended: FeatureStore) -> None:
    done = edit(ended, reject, "lorry", "ann", "no")
    assert (done.event, done.segments) == (0, 0) and rows(ended, "lorry")[-1] == ("car", "rejected", "ann")
    assert edit(ended, accept, "lorry", "bob").decision == "accepted", "taken back"
    assert ended.matches.decisions().rejected == {}


@pytest.mark.parametrize("complete", [True, False])
def test_rejecting_a_fill_takes_its_segments_back_also_one_that_was_stopped(store, request, complete: bool) -> None:
    if complete:
        request.getfixturevalue("ended")
    done = edit(store, reject, "boat", "ann", "not mine")
    assert done.segments == 2 and segments(store, "boat") == 0 and reconcile.differences(store.projection()).clean
    newest = store.matches.decisions().newest["boat"]
    assert (newest.decision, newest.reason) == ("rejected", "not mine"), "a person's reason stays the newest"
    again = edit(store, accept, "boat", "bob")
    assert again.is_fill and (again.run, again.event) == (None, None), "the next fill fetches them again"


def test_mapping_to_a_class_of_the_store_takes_a_fill_back(ended: FeatureStore) -> None:
    assert edit(ended, map_to, "boat", "car", 0.95, "ann").segments == 2
    assert segments(ended, "boat") == 0 and rows(ended, "boat")[-1] == ("car", "accepted", "ann")
    assert edit(ended, map_to, "new", "car", 0.95, "ann", "why").segments == 0
    with pytest.raises(DataError, match="rejected already"):
        edit(ended, reject, "new", "ann")
        edit(ended, reject, "new", "ann")


def test_mapping_to_another_class_of_the_data_set(ended: FeatureStore) -> None:
    assert edit(ended, map_to_fallback, ELSEWHERE).segments == 2
    newest = ended.matches.decisions().newest["boat"]
    assert newest.is_fill and newest.event is None and newest.matched == "Canoe"
    with pytest.raises(DataError, match=r"no segments of; got 'road', which it has; add to it: retclip class add"):
        edit(ended, map_to_fallback, replace(ELSEWHERE, query="road"))
    assert rows(ended, "road") == [] and segments(ended, "road") == 2


@pytest.mark.parametrize(
    ("change", "query", "words"),
    [
        (accept, "lorri", "did you mean 'lorry'"),
        (reject, "zebra", "retclip fallback fill --classes 'zebra'"),
        (accept, "unicorn", "which is missing; nearest was 'horse'; say which class"),
        (reject, "unicorn", "retclip fallback map 'unicorn' CLASS"),
    ],
)
def test_what_cannot_be_is_refused(ended: FeatureStore, change, query: str, words: str) -> None:
    before = len(rows(ended, query))
    with pytest.raises(DataError, match=words):
        edit(ended, change, query, "ann")
    assert len(rows(ended, query)) == before


def test_a_name_is_not_mapped_to_its_own_fill(ended: FeatureStore) -> None:
    with pytest.raises(DataError, match="filled as that; use `retclip fallback accept`"):
        edit(ended, map_to, "boat", "Boat", 0.95, "ann")
    assert segments(ended, "boat") == 2
