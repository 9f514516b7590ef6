"""Every row that decides something keeps its checksum, whoever writes it; a row that was changed otherwise is named."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, text, update

from retclip.store.classes.class_edits import add_alias, merge_class, remove_class, rename_class
from retclip.store.sql import seals
from retclip.store.sql.engine import insert_or_change, transaction
from retclip.store.sql.tables import Category, Event, Segment, Unit
from retclip.store.work import ledger


def broken(store) -> dict:
    with transaction(store.engine) as connection:
        return dict(seals.broken_rows(connection))


def empty(made, store) -> int:
    count = "SELECT count(*) FROM {} WHERE seal IS NULL"
    return sum(made.ask(store, count.format(one.table.name))[0][0] for one in seals.SEALED)


def test_every_table_that_people_or_programs_decide_by_is_sealed() -> None:
    names = {one.table.name for one in seals.SEALED}
    assert names == set(seals.Base.metadata.tables) - {
        "outbox",
        "reconcile_run",
        "trace",
        "trace_voter",
    }  # passed on, a log, and answers that expire


def test_all_edits_and_their_undo_leave_every_row_sealed(store, edit, made) -> None:
    done = [
        edit(store, rename_class, "car", "auto"), edit(store, add_alias, "tree", "Baum"),
        edit(store, merge_class, "road", "tree"), edit(store, remove_class, "auto"),
    ]  # fmt: skip
    for one in reversed(done):
        store.undo(one.event, "ann")
    assert broken(store) == {} and empty(made, store) == 0


def test_work_that_is_done_again_fails_or_is_replaced_leaves_every_row_sealed(light_work, made) -> None:
    store = light_work.open()
    run = light_work.fill(store, range(3))
    store.runs.record_failure(run, "k", ledger.Failure("a.jpg", "/a.jpg", "broken"))
    store.runs.record_failure(run, "k", ledger.Failure("a.jpg", "/a.jpg", "broken again"))
    made.commit(store, made.unit(1, per_class=1, annotation="b"))
    store.runs.finish(run, "finished", {"segments": 12, "share": 0.5})
    assert broken(store) == {} and empty(made, store) == 0


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("UPDATE category SET name = 'cat' WHERE name = 'car'", "category"),
        ("UPDATE category SET is_thing = NULL WHERE name = 'car'", "category"),
        ("UPDATE segment SET category_id = 1 WHERE id = 3", "segment"),
        ("UPDATE segment SET score = 0.5 WHERE id = 3", "segment"),
        ("UPDATE segment SET status = 1 WHERE id = 3", "segment"),
        ("UPDATE mask SET x = 1 WHERE segment_id = 3 AND number = 1", "mask"),
        ("UPDATE mask SET rle = :rle WHERE segment_id = 3 AND number = 1", "mask"),
        ("UPDATE segment_fact SET label_source = 'person' WHERE id = 3", "segment_fact"),
        ("UPDATE class_fact SET name = 'cat' WHERE name = 'car'", "class_fact"),
        ("UPDATE event SET actor = 'somebody' WHERE id = 1", "event"),
        ("UPDATE segment_feature SET row_no = row_no + 1 WHERE segment_id = 3", "segment_feature"),
        ("UPDATE image SET width = 5 WHERE id = 1", "image"),
        ("UPDATE run SET source = 'elsewhere:' WHERE id = 1", "run"),
        ("UPDATE unit SET segments = 1 WHERE image_id = 1", "unit"),
        ("UPDATE segment SET seal = NULL WHERE id = 3", "segment"),
    ],
)
def test_a_row_that_was_changed_behind_the_store_s_back_is_named(store, made, change: str, table: str) -> None:
    assert broken(store) == {}
    assert made.change_unguarded(store, change, table, **({"rle": b"05"} if ":rle" in change else {})) == 1
    if "seal = NULL" in change:  # the transaction that emptied it has filled it again
        assert broken(store) == {}
        return
    ((name, keys),) = broken(store).items()
    assert (name, len(keys)) == (table, 1)
    if table == "segment":
        assert keys == [(3,)]


def test_an_update_empties_and_the_end_of_the_transaction_fills(store, made) -> None:
    with transaction(store.engine, write=True) as connection:
        connection.execute(update(Category).values(is_thing=False))
        assert connection.execute(text("SELECT count(*) FROM category WHERE seal IS NULL")).scalar() == 3
        connection.execute(update(Segment).values(rev=Segment.rev + 1))
    assert broken(store) == {} and empty(made, store) == 0
    assert made.ask(store, "SELECT DISTINCT rev FROM segment") == [(2,)]


def test_more_rows_than_fit_into_a_page(store, monkeypatch) -> None:
    monkeypatch.setattr(seals, "PAGE", 5)
    with transaction(store.engine, write=True) as connection:
        connection.execute(update(Segment).values(rev=7))
    assert broken(store) == {}


def test_a_row_that_is_there_already_is_sealed_as_it_is_changed(store, made) -> None:
    row = {"key": "k", "external_id": "a.jpg", "uri": "", "state": "failed", "run_id": 1}
    for attempts in (1, 2):
        with transaction(store.engine, write=True) as connection:
            connection.execute(insert_or_change(connection, Unit, row, {"attempts": attempts}))
    assert made.ask(store, "SELECT attempts FROM unit WHERE key = 'k'") == [(2,)]
    assert broken(store) == {}


def test_the_checksum_of_an_event_may_be_written_the_event_may_not(store, made) -> None:
    values = {"actor": "ann", "action": "class.alias", "target": "car", "category_id": 1}
    with transaction(store.engine, write=True) as connection:
        connection.execute(insert(Event).values(**values))
    assert broken(store) == {} and empty(made, store) == 0
