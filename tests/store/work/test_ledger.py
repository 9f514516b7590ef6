"""Runs, finished units, failures that are counted, spaces with one active index."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from retclip.errors import RetCLIPError
from retclip.store.records import Failure
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Dataset, Proposer, Run, Space, StoreVersion, Unit
from retclip.store.work import ledger
from retclip.store.work.ledger import MAX_ATTEMPTS

BAD = Failure("7.jpg", "/photos/7.jpg", "truncated")


@pytest.fixture
def connection(light_work):
    with transaction(light_work.open().engine, write=True) as opened:
        yield opened


def rows(connection, table) -> list[dict]:
    return [dict(row) for row in connection.execute(select(table.__table__)).mappings()]


def test_a_run_starts_with_all_it_refers_to(connection, made) -> None:
    made_with = {"proposer": {"name": "test.proposer", "version": "1", "weights": {"a/b.safetensors": "f" * 64}}}
    planned = replace(made.plan(), config={"k": 16}, proposer_settings={"size": 1024}, components=made_with)
    run = ledger.start_run(connection, planned)
    (row,) = rows(connection, Run)
    assert (row["id"], row["kind"], row["state"], row["source"]) == (run.id, "build", "running", "test:")
    assert (row["config"], row["program"], row["finished_at"]) == ({"k": 16}, "0", None)
    assert [one["name"] for one in rows(connection, Dataset)] == ["drawn"]
    assert [one["name"] for one in rows(connection, Proposer)] == ["test.proposer"]
    assert (row["proposer_version"], row["proposer_settings"]) == ("1", {"size": 1024})
    assert row["components"] == made_with
    assert [one["fingerprint"] for one in rows(connection, Space)] == [made.space.id]
    assert run.recipe == made.recipe


def test_a_second_run_shares_what_is_the_same(connection, made) -> None:
    first = ledger.start_run(connection, made.plan())
    second = ledger.start_run(connection, made.plan("class_add"))
    assert second.id == first.id + 1
    assert replace(second, id=first.id, kind=first.kind) == first
    other = ledger.start_run(connection, replace(made.plan(), dataset="other", proposer="other"))
    assert other.dataset_id != first.dataset_id and other.proposer_id != first.proposer_id
    assert other.space_id == first.space_id
    assert [len(rows(connection, table)) for table in (Run, Dataset, Proposer, Space, StoreVersion)] == [3, 2, 2, 1, 1]


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed"])
def test_a_run_ends(connection, made, state: str) -> None:
    run, other = ledger.start_run(connection, made.plan()), ledger.start_run(connection, made.plan())
    ledger.finish_run(connection, run.id, state, {"images": 3})
    ended, running = sorted(rows(connection, Run), key=lambda row: row["id"])
    assert (ended["state"], ended["counts"]) == (state, {"images": 3})
    assert ended["finished_at"] >= ended["started_at"]
    assert (running["id"], running["state"], running["finished_at"]) == (other.id, "running", None)


def test_no_run_ends_in_a_state_nobody_knows(light_work, made) -> None:
    store = light_work.open()
    with transaction(store.engine, write=True) as connection:
        run = ledger.start_run(connection, made.plan())
    with pytest.raises(RetCLIPError), transaction(store.engine, write=True) as connection:
        ledger.finish_run(connection, run.id, "lost", {})


def test_what_is_finished_is_found(light_work, made) -> None:
    store = light_work.open()
    made.commit(store, made.unit(1), made.unit(2))
    keys = [made.unit(number).key for number in (1, 2, 3)]
    with transaction(store.engine) as connection:
        assert ledger.finished_units(connection, keys) == set(keys[:2])
        assert ledger.finished_units(connection, []) == set()
        many = [keys[0], *(f"{n:064d}" for n in range(33_000)), keys[1]]
        assert ledger.finished_units(connection, many) == set(keys[:2]), "more keys than one statement may carry"
        assert ledger.poisoned_units(connection, many) == {}


def test_a_changed_annotation_or_class_set_is_new_work(light_work, made) -> None:
    store = light_work.open()
    made.commit(store, made.unit(1))
    changed = [made.unit(1, annotation="b"), made.unit(1, classes=("road",))]
    with transaction(store.engine) as connection:
        assert ledger.finished_units(connection, [one.key for one in changed]) == set()


def test_failures_are_counted_until_they_are_poison(connection, made) -> None:
    run = ledger.start_run(connection, made.plan())
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert ledger.poisoned_units(connection, ["key"]) == {}, f"after {attempt - 1} attempts it is tried again"
        ledger.record_failure(connection, run.id, "key", replace(BAD, reason=f"truncated, try {attempt}"))
    told = f"truncated, try {MAX_ATTEMPTS}"
    reason = f"not tried again after {MAX_ATTEMPTS} attempts, unless you say --retry-failed: {told}"
    last = replace(BAD, reason=reason, attempts=MAX_ATTEMPTS)
    assert ledger.poisoned_units(connection, ["key", "other"]) == {"key": last}
    assert ledger.finished_units(connection, ["key"]) == set()
    (row,) = rows(connection, Unit)
    assert (row["state"], row["external_id"], row["uri"]) == ("failed", "7.jpg", "/photos/7.jpg")


def test_a_failure_names_the_run_that_met_it_last(connection, made) -> None:
    for _ in range(2):
        run = ledger.start_run(connection, made.plan())
        ledger.record_failure(connection, run.id, "key", BAD)
    assert [(row["run_id"], row["attempts"]) for row in rows(connection, Unit)] == [(run.id, 2)]


def test_two_builds_that_meet_the_same_bad_photo_both_count_it_and_go_on(light_work, made) -> None:
    """The second comes while the first has not committed: it waits, where it used to break off."""
    first, second = light_work.open(), light_work.open()
    mine, theirs = first.runs.start(made.plan()), second.runs.start(made.plan())
    with first.engine.connect().execution_options(retclip_write=True) as open_one:
        begun = open_one.begin()
        ledger.record_failure(open_one, mine.id, "key", BAD)
        timer = threading.Timer(0.5, begun.commit)
        timer.start()
        second.runs.record_failure(theirs, "key", replace(BAD, reason="still truncated"))
        timer.join()
    with transaction(first.engine) as connection:
        (row,) = rows(connection, Unit)
    assert (row["attempts"], row["run_id"], row["error"]) == (2, theirs.id, "still truncated")


def test_a_unit_that_succeeds_at_last_is_finished(light_work, made) -> None:
    store, unit = light_work.open(), made.unit(1)
    run = store.runs.start(made.plan())
    with transaction(store.engine, write=True) as connection:
        for _ in range(MAX_ATTEMPTS):
            ledger.record_failure(connection, run.id, unit.key, BAD)
    store.runs.commit(run, [unit], {})
    with transaction(store.engine) as connection:
        assert ledger.finished_units(connection, [unit.key]) == {unit.key}
        assert ledger.poisoned_units(connection, [unit.key]) == {}
        (row,) = rows(connection, Unit)
    assert (row["error"], row["segments"], row["attempts"]) == (None, 6, 1)


def test_a_long_name_is_cut_the_same_everywhere(connection, made) -> None:
    """PostgreSQL refuses what is too long for its column, SQLite takes it."""
    run = ledger.start_run(connection, made.plan())
    ledger.record_failure(connection, run.id, "key", replace(BAD, external_id="x" * 1000, uri="y" * 1000))
    assert [(len(row["external_id"]), len(row["uri"])) for row in rows(connection, Unit)] == [(256, 1000)]


def test_a_space_has_one_active_version(connection, made) -> None:
    space = ledger.ensure_space(connection, made.space)
    assert ledger.ensure_space(connection, made.space) == space
    (version,) = rows(connection, StoreVersion)
    assert (version["number"], version["state"], version["space_id"]) == (1, "active", space)
    assert version["index_name"].startswith(f"seg__{made.space.id[:8]}__v0001__")
    assert ledger.active_version(connection, space) == (version["id"], version["index_name"])
    assert ledger.spaces(connection) == [(space, made.space)]


def test_two_spaces_keep_to_themselves(connection, made) -> None:
    """Also where only a setting differs; and their indexes must never share a name on a server."""
    spaces = [made.space, replace(made.space, preprocessing="resize 512"), replace(made.space, dim=16)]
    ids = [ledger.ensure_space(connection, one) for one in spaces]
    assert ledger.spaces(connection) == list(zip(ids, spaces, strict=True))
    versions = [ledger.active_version(connection, one) for one in ids]
    assert len({name for _, name in versions}) == 3
    assert sorted(ledger.live_versions(connection)) == sorted(number for number, _ in versions)


def test_two_stores_on_one_server_do_not_share_a_name(connection, made) -> None:
    from retclip.store.work.ledger import secrets

    assert len({secrets.token_hex(4) for _ in range(50)}) == 50
    ledger.ensure_space(connection, made.space)
    first = rows(connection, StoreVersion)[0]["index_name"]
    connection.execute(StoreVersion.__table__.delete())
    ledger.ensure_space(connection, made.space)
    assert rows(connection, StoreVersion)[0]["index_name"] != first


def test_only_dropped_versions_need_not_follow(connection, made) -> None:
    space = ledger.ensure_space(connection, made.space)
    active = ledger.active_version(connection, space)[0]
    values = [{"space_id": space, "number": 2 + n, "index_name": state, "state": state}
              for n, state in enumerate(("building", "retiring", "dropped"))]  # fmt: skip
    connection.execute(StoreVersion.__table__.insert(), values)
    names = {row["id"]: row["state"] for row in rows(connection, StoreVersion)}
    live = ledger.live_versions(connection)
    assert {names[one] for one in live} == {"active", "building", "retiring"} and active in live
    assert ledger.active_version(connection, 99) is None


def test_a_dropped_index_is_followed_by_the_next_number(connection, made) -> None:
    space = ledger.ensure_space(connection, made.space)
    connection.execute(StoreVersion.__table__.update().values(state="dropped"))
    ledger.ensure_space(connection, made.space)
    assert [(row["number"], row["state"]) for row in rows(connection, StoreVersion)] == [(1, "dropped"), (2, "active")]
    assert ledger.live_versions(connection) == [ledger.active_version(connection, space)[0]]
