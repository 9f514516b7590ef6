"""Decisions about names as an open store's callers make and read them."""

from __future__ import annotations

from retclip.names import MatchKind
from retclip.store.feature_store import FeatureStore
from retclip.store.records import ClassMatch

LORRY = ClassMatch("lorry", "car", MatchKind.TEXT, 0.9, similarity=0.95)


def test_a_person_overrules_what_a_rule_decided(store: FeatureStore) -> None:
    store.matches.record([LORRY])
    store.matches.record([LORRY])
    assert [one.decision for one in store.matches.history()] == ["auto"], "what stands is not written twice"
    assert store.matches.reject("lorry", "ann", "too large").segments == 0
    assert not store.matches.decisions().newest["lorry"].holds
    assert store.matches.accept("Lorry", "bob").decided_by == "bob"
    assert store.matches.map_to("lorry", "road", 0.9, "ann").event == 0
    assert store.matches.decisions().newest["lorry"].matched == "road"
    assert [one.decision for one in store.matches.history("lorry")] == ["auto", "rejected", "accepted", "accepted"]
    assert store.matches.history("boat") == []


def test_a_fill_that_has_not_begun_has_no_runs(store: FeatureStore) -> None:
    runs = store.matches.fill_runs(ClassMatch("car", "auto", MatchKind.EXACT, 0.9, "world", "world:"))
    assert (runs.ids, runs.segments, runs.event) == ((), 0, None)
