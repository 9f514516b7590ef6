"""A folder and its catalog belong together: made once, found again, never mistaken for another's."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from uuid import UUID

import pytest

from retclip.errors import StoreDamaged, StoreError, StoreMissing
from retclip.store.feature_store import FeatureStore, StoreOptions


def test_folder_and_catalog_hold_the_same_identity(work, made) -> None:
    store = work.open()
    ((known,),) = made.ask(store, "SELECT uuid FROM store_identity")
    known = known if isinstance(known, UUID) else UUID(bytes=known) if isinstance(known, bytes) else UUID(known)
    assert (work.folder / "identity").read_text() == str(known)


def test_two_stores_cannot_share_a_database(tmp_path, cluster) -> None:
    """A team's variable is still set when somebody makes a second store."""
    options = StoreOptions(database=cluster.database())
    FeatureStore.create(tmp_path / "a", options).close()
    with pytest.raises(StoreError, match=r"catalog of another store.*set store\.database to an empty database"):
        FeatureStore.create(tmp_path / "b", options)
    assert not (tmp_path / "b" / "archive").exists()
    FeatureStore.create(tmp_path / "c").close()
    with pytest.raises(StoreError, match="this store's own"):
        FeatureStore.open(tmp_path / "c", options)
    FeatureStore.open(tmp_path / "a", options).close()


def test_a_forgotten_variable_makes_no_empty_catalog(tmp_path, cluster) -> None:
    FeatureStore.create(tmp_path / "a", StoreOptions(database=cluster.database())).close()
    for attempt in (FeatureStore.open, lambda folder: FeatureStore.create(folder, exist_ok=True)):
        with pytest.raises(StoreDamaged, match=r"catalog\.sqlite.*set store\.database"):
            attempt(tmp_path / "a")
    assert not (tmp_path / "a" / "catalog.sqlite").exists()


@pytest.mark.parametrize("check", [True, False])
def test_another_database_than_the_store_was_made_with_is_never_filled(tmp_path, cluster, made, check: bool) -> None:
    """Not by `db upgrade`, either, which opens a store without looking at its schema."""
    with FeatureStore.create(tmp_path / "a") as store:
        made.commit(store, made.unit(1))
    other = StoreOptions(database=cluster.database())
    with pytest.raises(StoreDamaged, match=r"no tables of RetCLIP.*set store\.database"):
        FeatureStore.open(tmp_path / "a", other, check)
    with pytest.raises(StoreDamaged, match=r"no tables of RetCLIP"):
        FeatureStore.create(tmp_path / "a", other, exist_ok=True)
    (tmp_path / "a" / "catalog.sqlite").write_bytes(b"")
    with pytest.raises(StoreDamaged, match="a file without tables"):
        FeatureStore.open(tmp_path / "a", check_schema=check)


def test_a_lost_archive_is_not_begun_again(work, made) -> None:
    store = work.open()
    made.commit(store, made.unit(1))
    work.close()
    shutil.rmtree(work.folder / "archive")
    for attempt in (FeatureStore.open, FeatureStore.create):
        with pytest.raises(StoreDamaged, match=r"archive, 1 files; got no such folder.*from a backup"):
            attempt(work.folder, work.options)
    assert not (work.folder / "archive").exists()


def test_making_a_store_goes_on_where_it_was_stopped(work) -> None:
    """Everything is there but the archive, which comes last: no store yet."""
    work.open()
    work.close()
    (work.folder / "archive").rmdir()
    with pytest.raises(StoreMissing, match="retclip init"):
        FeatureStore.open(work.folder, work.options)
    FeatureStore.create(work.folder, work.options).close()
    FeatureStore.open(work.folder, work.options).close()


def test_a_catalog_without_its_folder_is_not_begun_again(tmp_path) -> None:
    """The archive was lost: an empty one around the full catalog would call every shard damaged."""
    FeatureStore.create(tmp_path / "a").close()
    (tmp_path / "a" / "identity").unlink()
    with pytest.raises(StoreError, match="identity"):
        FeatureStore.open(tmp_path / "a")
    (tmp_path / "a" / "archive").rmdir()
    with pytest.raises(StoreError, match="catalog of another store"):
        FeatureStore.create(tmp_path / "a")


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/nowhere/store"])
def test_a_place_that_cannot_be(tmp_path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="a folder that can be made"):
        FeatureStore.create(tmp_path / place)


def test_several_processes_may_make_it_at_the_same_moment(tmp_path) -> None:
    code = (
        "import sys; from pathlib import Path; from retclip.store.feature_store import FeatureStore\n"
        "sys.stdin.readline(); FeatureStore.create(Path(sys.argv[1]), exist_ok=True).close()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    running = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for one in running:
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.communicate()[1] for one in running] == [""] * 4
    with FeatureStore.open(tmp_path / "store") as store:
        assert store.classes.all() == []
    assert not list((tmp_path / "store").glob(".identity*"))


@pytest.mark.parametrize("content", ["table", "text"])
def test_a_file_of_another_program_is_no_catalog(tmp_path, content: str) -> None:
    path = tmp_path / "catalog.sqlite"
    if content == "table":
        with closing(sqlite3.connect(path)) as theirs:
            theirs.execute("CREATE TABLE books (title TEXT)")
            theirs.commit()
    else:
        path.write_text("a list of books, one a line\n" * 200)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="choose another folder; nothing was written"):
        FeatureStore.create(tmp_path)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"catalog.sqlite": before}
