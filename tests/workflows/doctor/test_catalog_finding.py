"""Doctor and the catalog: it comes first, nothing is held against a damaged one, and no cure leads back to doctor."""

import shutil
import sqlite3

import pytest
from sqlalchemy import text

from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.sql.engine import transaction
from retclip.workflows.doctor.doctor import check_store


@pytest.fixture
def copied(built, tmp_path):
    """A copy of the built store that a test may hurt."""
    return shutil.copytree(built.store, tmp_path / "store")


def looked_at(folder, repair=False, **options):
    return {one.what: one for one in check_store(folder, StoreOptions(**options), repair)}


def content(folder):
    """Every file but the catalog's own, which a check may tidy up."""
    files = [one for one in sorted(folder.rglob("*")) if one.is_file() and not one.name.startswith("catalog.sqlite")]
    return [(one, one.read_bytes()) for one in files]


def by_hand(folder, statement):
    with sqlite3.connect(folder / "catalog.sqlite") as connection:
        assert connection.execute(statement).rowcount
    connection.close()


def test_a_changed_row_stops_everything_that_would_copy_from_it(copied):
    """The index holds the right class. A repair that believed the catalog would make it wrong."""
    by_hand(copied, "UPDATE segment SET category_id = category_id % 3 + 1, rev = rev + 1 WHERE id = 5")
    before = content(copied)
    for repair in (False, True):
        found = looked_at(copied, repair)
        assert not found["catalog"].ok and "segment that are not what was stored: 1 (5)" in found["catalog"].found
        assert "from a backup" in found["catalog"].cure and "doctor" not in found["catalog"].cure
        assert not found["archive, index"].ok and "index" not in found
    assert content(copied) == before


def test_an_edit_of_the_store_s_own_is_no_damage(copied):
    with FeatureStore.open(copied) as store:
        name = store.classes.all()[0].name
        store.classes.rename(name, "anything", "ann")
    assert all(one.ok for one in looked_at(copied).values())


def test_a_damaged_index_of_the_catalog_is_made_again(copied):
    path = copied / "catalog.sqlite"
    with sqlite3.connect(path) as connection:
        name, page = connection.execute(
            "SELECT name, rootpage FROM sqlite_master WHERE name = 'ix_segment_category_id_status'"
        ).fetchone()
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:  # the last byte of the page: in the first entry, the last integer
        file.seek(page * size - 1)
        old = file.read(1)[0]
        file.seek(page * size - 1)
        file.write(bytes([old ^ 1]))
    check = looked_at(copied)["catalog"]
    assert not check.ok and name in check.found and check.cure == f"retclip doctor --store {copied} --repair"
    repaired = looked_at(copied, repair=True)
    assert repaired["catalog"].ok and "made again from its rows" in repaired["catalog"].found
    assert repaired["index"].ok and all(one.ok for one in looked_at(copied).values())


@pytest.mark.parametrize("damage", ["head", "lost", "empty"])
def test_a_catalog_that_cannot_be_opened_is_told_with_what_to_do(copied, damage):
    path = copied / "catalog.sqlite"
    if damage == "head":
        path.write_bytes(b"a letter to my aunt, " * 1000)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    for repair in (False, True):
        found = looked_at(copied, repair)
        wrong = found["catalog" if damage == "head" else "store"]
        assert not wrong.ok and "from a backup" in wrong.cure and "doctor" not in wrong.cure


@pytest.mark.parametrize(
    ("revision", "cure"),
    [("9999", "install a newer retclip"), ("0012", "retclip db upgrade"), ("0009", "build its sources again")],
)
def test_another_schema_is_told_as_such(copied, revision, cure):
    with FeatureStore.open(copied) as store, transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :other"), {"other": revision})
    assert cure in looked_at(copied)["store"].cure


def test_rows_that_say_something_else_than_their_facts_are_told_and_made_again(copied):
    with FeatureStore.open(copied) as store:
        before = store.classes.all()
        with transaction(store.engine, write=True) as connection:
            connection.execute(text("UPDATE segment SET seal = NULL, status = 2 WHERE id IN (1, 2)"))
            connection.execute(text("UPDATE category SET seal = NULL, name = 'otherwise' WHERE id = 1"))
            connection.execute(text("DELETE FROM category_alias"))
    found = looked_at(copied)["history"]
    assert not found.ok and "--repair" in found.cure
    assert found.found == "2 segments and 1 classes are not what was said of them"
    mended = looked_at(copied, repair=True)
    assert mended["history"].ok and mended["history"].found.startswith("repaired: 2 segments") and mended["index"].ok
    assert looked_at(copied)["history"].found == "segments and classes are what was said of them"
    with FeatureStore.open(copied) as store:
        assert store.classes.all() == before


def test_the_chain_s_head_is_told_and_a_cut_off_tail_is_found_by_it(copied):
    with FeatureStore.open(copied) as store:
        store.classes.add_alias(store.classes.all()[0].name, "anything", "ann")
        links, head = store.history.chain_head()
    found = looked_at(copied)
    assert found["chain of events"].ok and found["chain of events"].found == f"{links} links, head {head}"
    assert "chain of events, noted head" not in found
    noted = {one.what: one for one in check_store(copied, StoreOptions(), False, chain_head=head[:12])}
    assert noted["chain of events, noted head"].ok and "0 links later" in noted["chain of events, noted head"].found
    foreign = {one.what: one for one in check_store(copied, StoreOptions(), False, chain_head="ab" * 32)}
    assert not foreign["chain of events, noted head"].ok and foreign["chain of events"].ok


def test_an_event_that_was_changed_with_its_checksum_is_told_by_the_chain(copied):
    """Whoever knows how makes the row's checksum fit; the chain still does not."""
    with FeatureStore.open(copied) as store, transaction(store.engine, write=True) as connection:
        connection.execute(text("DROP TRIGGER event_no_update"))
        connection.execute(text("UPDATE event SET seal = NULL, actor = 'eve' WHERE id = 1"))
    for repair in (False, True):
        found = looked_at(copied, repair)
        assert found["catalog"].ok and found["history"].ok and not found["chain of events"].ok
        assert found["chain of events"].found.startswith("changed: link 1, event 1: ")


@pytest.mark.parametrize("noted", ["", "abc", "zzzzzzzzzz"])
def test_what_is_no_head_is_told_from_a_head_that_is_gone(copied, noted):
    """Nobody restores a backup for a slip of the pen."""
    findings = {one.what: one for one in check_store(copied, StoreOptions(), False, chain_head=noted)}
    finding = findings["chain of events, noted head"]
    assert not finding.ok and "is no head" in finding.found and "backup" not in finding.cure
    findings = {one.what: one for one in check_store(copied, StoreOptions(), False, chain_head="0123456789")}
    assert "backup" in findings["chain of events, noted head"].cure
