"""Files held against SQL: what is damaged or gone, and what nobody refers to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retclip.names import MatchKind
from retclip.store import repair
from retclip.store.classes.class_matches import record
from retclip.store.classes.fills import KIND, finish_fill, note
from retclip.store.feature_store import FeatureStore
from retclip.store.findings import Again
from retclip.store.index import reconcile
from retclip.store.records import ClassMatch
from retclip.store.repair import damaged_shards, shard_names, unreferenced_shards
from retclip.store.sql.engine import transaction
from retclip.types import FeatureSpace


@pytest.fixture
def store(light_work) -> FeatureStore:
    """Three shards, one for each commit."""
    opened = light_work.open()
    light_work.fill(opened, [1, 2, 3], chunk=1)
    return opened


def found(store: FeatureStore) -> tuple[list[str], list[str]]:
    with transaction(store.engine) as connection:
        names, spare = shard_names(connection), unreferenced_shards(connection, store.archive)
    return damaged_shards(store.archive, names), spare


def test_a_whole_archive(store: FeatureStore) -> None:
    assert len(store.archive.names()) == 3
    assert found(store) == ([], [])


def test_each_kind_of_damage_is_named(store: FeatureStore) -> None:
    flipped, short, gone = sorted(store.archive.names())
    content = bytearray(store.archive.path(flipped).read_bytes())
    content[-1] ^= 1
    store.archive.path(flipped).write_bytes(content)
    store.archive.path(short).write_bytes(store.archive.path(short).read_bytes()[:-1])
    store.archive.path(gone).unlink()
    damaged, unreferenced = found(store)
    assert sorted(damaged) == [flipped, short, gone]
    assert unreferenced == [], "a damaged file is still one that SQL names"


def test_a_shard_nobody_names(store: FeatureStore, made) -> None:
    """What a build leaves that was killed between its shard and its transaction."""
    left = sorted(store.archive.write(made.unit(number).vectors) for number in (8, 9))
    assert found(store) == ([], left)


def test_an_empty_store(light_work) -> None:
    assert found(light_work.open()) == ([], [])


def test_vectors_that_add_space_made_are_forgotten_so_that_it_makes_them_again(work, made) -> None:
    """The first space's own shards are built again instead, and its units leave the ledger; nothing else does."""
    other = FeatureSpace("test.other", "none", "none", "area-1", 4)
    store = work.open()
    made.commit(store, made.unit(1), made.unit(2))
    run = made.adding(store, other)
    made.give(store, run, other, made.lacking(store, 2, 1))
    made.give(store, run, other, made.lacking(store, 2, 2))
    built, first, _ = (name for (name,) in made.ask(store, "SELECT sha256 FROM feature_shard ORDER BY id"))
    with transaction(store.engine, write=True) as connection:
        assert repair.build_again(connection, [first]) == []
        assert repair.add_again(connection, [first]) == ["test.other"]
    assert made.ask(store, "SELECT count(*) FROM unit") == [(2,)]
    state = store.spaces.all()[1]
    assert (state.segments, state.lacking, state.pending) == (6, 6, 1)
    store.refresh()
    assert store.projection(other).index.count() == 6 and reconcile.differences(store.projection(other)).clean
    made.give(store, made.adding(store, other), other, made.lacking(store, 2, 1))
    assert store.spaces.all()[1].complete and reconcile.differences(store.projection(other)).clean
    with transaction(store.engine, write=True) as connection:
        assert repair.add_again(connection, [built]) == []
        assert repair.build_again(connection, [built]) == [Again("build", "test:", made.proposer)]
    assert made.ask(store, "SELECT count(*) FROM unit") == [(0,)]


@pytest.fixture
def three_kinds(work, made) -> FeatureStore:
    """Run 1 built an image, run 2 added a class to it, run 3 filled another class from it: a shard each."""
    store = work.open()
    made.commit(store, made.unit(1))
    fill = ClassMatch("Boat", "Kayak", MatchKind.EXACT, 0.95, "world", "world:")
    store._catalog.edit(record, fill)
    for kind, name, config in (
        ("class_add", "Kite", {"classes": ["Kite"]}),
        (KIND, "boat", note(fill)),
    ):
        run = store.runs.start(replace(made.plan(kind), source=f"{name}:", config=config))
        store.runs.commit(run, [replace(made.unit(1, classes=(name,)), vectors=made.unit(run.id + 5).vectors[:2])], {})
    store._catalog.edit(finish_fill, store.matches.decisions().newest["boat"])
    return store


def test_each_kind_of_run_is_named_for_what_it_made(three_kinds: FeatureStore, made) -> None:
    store = three_kinds
    built, added, filled = (name for (name,) in made.ask(store, "SELECT sha256 FROM feature_shard ORDER BY id"))
    ended = store.matches.decisions().newest["boat"]
    for name, wanted, left in (
        (added, Again("class_add", "Kite:", made.proposer, "Kite"), [(1,), (3,)]),
        (built, Again("build", "test:", made.proposer), [(3,)]),
        (filled, Again(KIND, "boat:", made.proposer, "Boat"), []),
    ):
        with transaction(store.engine, write=True) as connection:
            assert repair.build_again(connection, [name]) == [wanted]
        assert made.ask(store, "SELECT run_id FROM unit ORDER BY run_id") == left, "only what made it"
    counted = {one.name: one.segments for one in store.classes.all()}
    assert counted == {"car": 2, "road": 2, "tree": 2, "Kite": 2, "boat": 0}
    newest = store.matches.decisions().newest["boat"]
    assert (newest.supersedes, newest.event, newest.holds) == (ended.id, None, True)
    assert newest.reason == "its vectors were lost"
    store.refresh()
    assert store.projection().index.count() == 8
    with transaction(store.engine, write=True) as connection:
        assert repair.build_again(connection, [added]) == [Again("class_add", "Kite:", made.proposer, "Kite")], "still"
        assert repair.build_again(connection, [filled]) == [] and filled not in shard_names(connection)


@pytest.mark.parametrize("every", [True, False])
def test_a_build_of_some_classes_is_not_told_as_one_of_all(sqlite_work, made, every: bool) -> None:
    store = sqlite_work.open()
    run = store.runs.start(replace(made.plan(), config={"classes": list(made.classes), "every_class": every}))
    store.runs.commit(run, [made.unit(1)], {})
    ((name,),) = made.ask(store, "SELECT sha256 FROM feature_shard")
    with transaction(store.engine, write=True) as connection:
        (found,) = repair.build_again(connection, [name])
    assert found == Again("build", "test:", made.proposer, classes=() if every else made.classes)


def test_of_removed_segments_nothing_is_made_again(three_kinds: FeatureStore, made) -> None:
    store = three_kinds
    filled = made.ask(store, "SELECT sha256 FROM feature_shard ORDER BY id DESC LIMIT 1")[0][0]
    store.matches.reject("boat", "ann")
    with transaction(store.engine, write=True) as connection:
        assert repair.build_again(connection, [filled]) == [] and filled not in shard_names(connection)
    assert store.matches.decisions().newest["boat"].decision == "rejected"
    assert made.ask(store, "SELECT count(*) FROM unit") == [(2,)]
