"""An index beside a catalog that is not the one it followed: compared whole, told, and never believed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from retclip.store.crash_points import armed
from retclip.store.feature_store import FeatureStore
from retclip.store.index import reconcile
from retclip.store.index.followed import NOTE

ASKED = torch.nn.functional.normalize(torch.randn(3, 8, generator=torch.Generator().manual_seed(0)), dim=1)


def answers(store: FeatureStore) -> list[object]:
    rows = {one.name: one.id for one in store.classes.all()}
    asked = [rows[name] for name in ("road", "car", "tree")]
    near = [store.nearest(ASKED, classes, 4, False) for classes in (asked, asked[:1], asked[1:2])]
    return [(one.ids.tolist(), one.classes.tolist()) for one in near]


def restored(work, catalog: bytes) -> None:
    """Put a catalog in the place of the one that is there, as one does with a backup."""
    path = work.folder / "catalog.sqlite"
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.write_bytes(catalog)


def note(folder: Path) -> Path:
    (path,) = (folder / "index").glob(f"*/{NOTE}")
    return path


@pytest.fixture
def backup(sqlite_work, made):
    """The catalog of two images, and what was answered; since then much was changed."""
    store = sqlite_work.open()
    made.commit(store, made.unit(1), made.unit(2))
    wanted = answers(store)
    sqlite_work.close()
    catalog = (sqlite_work.folder / "catalog.sqlite").read_bytes()
    store = sqlite_work.open()
    made.commit(store, made.unit(3))
    store.segments.relabel(list(made.ids(store, "image_id = 1").values())[:2], "tree", "ann")
    store.classes.remove("car", "ann")
    sqlite_work.close()
    return catalog, wanted


def test_a_restored_catalog_is_answered_as_it_is(sqlite_work, backup, caplog) -> None:
    restored(sqlite_work, backup[0])
    store = sqlite_work.open()
    assert answers(store) == backup[1] and reconcile.differences(store.projection()).clean
    assert "had followed another state of the catalog" in caplog.text
    sqlite_work.close()
    caplog.clear()
    assert answers(sqlite_work.open()) == backup[1] and not caplog.records, "once"


def test_another_change_in_the_place_of_the_lost_one_hides_nothing(sqlite_work, made, backup) -> None:
    """The rows of the outbox have the same numbers again, and the segments may have the same revisions."""
    restored(sqlite_work, backup[0])
    store = sqlite_work.open()
    store.segments.relabel(list(made.ids(store, "image_id = 2").values())[:3], "road", "ann")
    made.commit(store, made.unit(4))
    assert reconcile.differences(store.projection()).clean


def test_a_comparison_that_was_stopped_is_made_again(sqlite_work, backup, monkeypatch) -> None:
    restored(sqlite_work, backup[0])

    class Stop(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stop

    with monkeypatch.context() as stopped, pytest.raises(Stop):
        stopped.setattr(reconcile, "differences", stop)
        answers(sqlite_work.open())
    sqlite_work.close()
    assert answers(sqlite_work.open()) == backup[1]


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe 1", b"7 ", b"99999 none\n", None])
def test_a_note_that_says_nothing_costs_a_comparison(sqlite_work, backup, monkeypatch, damage) -> None:
    restored(sqlite_work, backup[0])
    path = note(sqlite_work.folder)
    path.unlink() if damage is None else path.write_bytes(damage)
    assert answers(sqlite_work.open()) == backup[1]
    sqlite_work.close()
    monkeypatch.setattr(reconcile, "differences", lambda *_: pytest.fail("nothing is unknown"))
    assert answers(sqlite_work.open()) == backup[1]


def test_what_this_catalog_tells_is_followed_without_a_comparison(sqlite_work, made, monkeypatch) -> None:
    monkeypatch.setattr(reconcile, "differences", lambda *_: pytest.fail("nothing is unknown"))
    store = sqlite_work.open()
    for number in (1, 2):
        made.commit(store, made.unit(number))
        answers(store)
        sqlite_work.close()
        store = sqlite_work.open()
    store.classes.rename("car", "auto", "ann")
    store.segments.quarantine(list(made.ids(store, "image_id = 1").values())[:1], "ann")
    sqlite_work.close()
    sqlite_work.open().nearest(ASKED, [1, 2], 4, False)


def test_a_change_whose_index_was_written_is_noted_before(sqlite_work, made) -> None:
    """Killed between the two, the index holds nothing that its note does not tell of."""
    store = sqlite_work.open()
    made.commit(store, made.unit(1))
    answers(store)
    before = note(sqlite_work.folder).read_bytes()

    class Stop(BaseException):
        pass

    def stop(reached: str) -> None:
        if reached == "index written":
            raise Stop

    with armed(stop), pytest.raises(Stop):
        store.segments.quarantine(list(made.ids(store, "image_id = 1").values())[:1], "ann")
    assert note(sqlite_work.folder).read_bytes() != before


def test_an_earlier_copy_of_the_index_follows_what_was_done_since(sqlite_work, made, monkeypatch) -> None:
    store = sqlite_work.open()
    made.commit(store, made.unit(1), made.unit(2))
    sqlite_work.close()
    index, earlier = sqlite_work.folder / "index", sqlite_work.folder / "earlier"
    shutil.copytree(index, earlier)
    store = sqlite_work.open()
    store.segments.relabel(list(made.ids(store, "image_id = 1").values())[:2], "tree", "ann")
    store.segments.quarantine(list(made.ids(store, "image_id = 2").values())[:1], "ann")
    wanted = answers(store)
    sqlite_work.close()
    shutil.rmtree(index)
    earlier.rename(index)
    store = sqlite_work.open()
    assert answers(store) == wanted and reconcile.differences(store.projection()).clean
    sqlite_work.close()
    monkeypatch.setattr(reconcile.sync, "follow", lambda *_: pytest.fail("once"))
    assert answers(sqlite_work.open()) == wanted
