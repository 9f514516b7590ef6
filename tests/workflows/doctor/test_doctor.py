"""Doctor: each thing that can be wrong gets its own finding with a cure, and a repair repairs."""

import shutil

import pytest
from sqlalchemy import text

import retclip
from retclip.store.feature_store import FeatureStore, StoreOptions
from retclip.store.history import events, segment_facts
from retclip.store.index import edge_graph, indexes
from retclip.store.sql.engine import transaction
from retclip.store.states import Action
from retclip.workflows.classes.add_class import add_class
from retclip.workflows.classes.addition import Addition
from retclip.workflows.doctor import doctor
from retclip.workflows.doctor.doctor import Finding, check_installation, check_store


@pytest.fixture
def copied(built, tmp_path):
    """A copy of the built store that a test may hurt."""
    return shutil.copytree(built.store, tmp_path / "store")


def by_name(findings):
    return {one.what: one for one in findings}


def test_this_installation_has_python_torch_and_the_plugins():
    found = by_name(check_installation())
    assert found["python"].ok
    assert found["torch"].ok
    assert "torch" in found["torch"].found
    assert found["backbone reference.colour_texture"].ok
    assert found["source data.label-maps"].ok
    assert "backbone reference.colour_texture" not in by_name(check_installation(["reference"]))


def test_a_plugin_that_fails_is_named_with_stage_and_cure(monkeypatch):
    class Broken:
        name, dist = "broken", None

        def load(self):
            raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(doctor.PluginManager.discover.__func__, "__defaults__", ((), False, [Broken()], None))
    found = by_name(check_installation())["plugin broken"]
    assert not found.ok
    assert found.found == "import: RuntimeError: operator torchvision::nms does not exist"
    assert "plugins.disabled" in found.cure


def test_torch_without_its_package_is_one_line_with_a_cure(monkeypatch):
    def gone(name):
        raise doctor.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.importlib.metadata, "version", gone)
    found = doctor._torch()
    assert not found.ok
    assert "install both in one call" in found.cure


def test_a_sound_store_is_sound(copied, monkeypatch):
    monkeypatch.setattr(indexes, "_memory", lambda: 0)  # else as many as it holds
    found = check_store(copied, StoreOptions(), repair=False)
    assert [one.what for one in found] == [
        "disk",
        "catalog",
        "schema",
        "history",
        "chain of events",
        "archive",
        "index",
        "graph",
        "traces",
    ]
    assert by_name(found)["graph"].ok
    assert by_name(found)["graph"].found == "none needed: up to 20000 vectors are searched without one"
    assert by_name(found)["schema"].ok
    assert by_name(found)["archive"] == Finding(
        "archive",
        True,
        "whole",
        "restore these files from a backup; or run with --repair, then the commands that it names",
    )
    assert by_name(found)["index"].ok
    assert by_name(found)["index"].found == "0 missing, 0 orphan, 0 stale, 0 damaged"


def test_a_damaged_shard_is_named(copied):
    shard = next((copied / "archive").glob("??/*.npy"))
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    found = by_name(check_store(copied, StoreOptions(), repair=False))["archive"]
    assert not found.ok
    assert found.found == f"1 damaged: {shard.stem}"
    shard.unlink()
    assert not by_name(check_store(copied, StoreOptions(), repair=False))["archive"].ok


@pytest.mark.parametrize("index_too", [False, True])
def test_what_a_damaged_shard_held_is_built_again_as_the_cure_says(copied, built, index_too):
    """A shard is lost, perhaps the index with it: the ledger must not call its images finished for ever."""
    before = {one.name: one.segments for one in classes_of(copied)}
    next((copied / "archive").glob("??/*.npy")).unlink()
    if index_too:
        shutil.rmtree(copied / "index")
    with retclip.open(copied) as memory:
        assert memory.build(built.source).images == 0, "the ledger does not look at files"
    cure = by_name(check_store(copied, StoreOptions(), repair=True))["archive"].cure
    assert f"retclip build '{built.source}' --proposer reference.ground_truth --store {copied}" in cure
    with retclip.open(copied) as memory:
        assert memory.build(built.source).images == 6
        assert len(memory.segment(next(memory.source(built.source).images()).load()).segments) > 0
    assert {one.name: one.segments for one in classes_of(copied)} == before
    assert all(one.ok for one in check_store(copied, StoreOptions(), repair=False))


def test_the_cure_of_a_build_of_some_classes_names_them(tmp_path, built):
    with retclip.open(tmp_path / "store", create=True, settings={"store": {"index": "resident"}}) as memory:
        memory.build(built.source, ["sky", "boat"])
    next((tmp_path / "store" / "archive").glob("??/*.npy")).unlink()
    cure = by_name(check_store(tmp_path / "store", StoreOptions(index="resident"), repair=True))["archive"].cure
    assert f"retclip build '{built.source}' --classes 'sky, boat' --proposer" in cure


def classes_of(folder):
    with FeatureStore.open(folder) as store:
        return store.classes.all()


def test_an_index_in_memory_has_nothing_to_check(copied):
    found = by_name(check_store(copied, StoreOptions(index="resident"), repair=False))["index"]
    assert found.ok and "in memory" in found.found


def test_an_index_that_lacks_points_is_found_and_repaired(copied):
    with FeatureStore.open(copied) as store:
        index = store.projection().index
        index.delete([point for point, _ in list(index.scan())[:3]])
    check = by_name(check_store(copied, StoreOptions(), repair=False))["index"]
    assert (check.ok, check.found) == (False, "3 missing, 0 orphan, 0 stale, 0 damaged")
    assert "--repair" in check.cure
    repaired = by_name(check_store(copied, StoreOptions(), repair=True))["index"]
    assert (repaired.ok, repaired.found) == (True, "repaired: 3 missing, 0 orphan, 0 stale, 0 damaged")
    assert by_name(check_store(copied, StoreOptions(), repair=False))["index"].ok


def test_what_a_killed_build_left_in_the_outbox_is_said_and_not_applied_by_a_check(copied):
    with FeatureStore.open(copied) as store, transaction(store.engine, write=True) as connection:
        connection.execute(text("UPDATE outbox SET done_at = NULL"))
        event = events.add(connection, "ann", Action.REMOVE, "two of them")
        segment_facts.add_same_fact(connection, event, [1, 2], present=False)
    for _ in range(2):
        check = by_name(check_store(copied, StoreOptions(), repair=False))["index"]
        assert (check.ok, check.found.partition(";")[0]) == (False, "0 missing, 2 orphan, 0 stale, 0 damaged")
        assert "still to be applied" in check.found
    assert by_name(check_store(copied, StoreOptions(), repair=True))["index"].ok
    assert by_name(check_store(copied, StoreOptions(), repair=False))["index"].found.endswith("0 damaged")


def test_a_store_that_is_not_there_and_one_that_is_empty(tmp_path):
    gone = by_name(check_store(tmp_path / "gone", StoreOptions(), repair=False))["store"]
    assert not gone.ok
    assert "retclip init" in gone.cure
    retclip.open(tmp_path / "empty", create=True).close()
    assert by_name(check_store(tmp_path / "empty", StoreOptions(), repair=False))["index"].found == "the store is empty"


def test_too_little_room_on_the_disk_is_said(copied, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1 << 30))
    disk = by_name(check_store(copied, StoreOptions(), repair=False))["disk"]
    assert (disk.ok, disk.found) == (False, "1.0 GiB free")


def test_an_index_whose_files_are_damaged_is_made_again_from_the_archive(copied):
    folder = next((copied / "index").iterdir()) / "shard"
    (folder / "edge_config.json").write_text("{")
    found = by_name(check_store(copied, StoreOptions(), repair=False))["index"]
    assert (found.ok, found.cure) == (False, f"retclip doctor --store {copied} --repair")
    found = by_name(check_store(copied, StoreOptions(), repair=True))["index"]
    assert found.ok and "loaded again from the archive" in found.found
    assert by_name(check_store(copied, StoreOptions(), repair=False))["index"].found.startswith("0 missing")


@pytest.fixture
def two_spaces(copied):
    """The copy with a second space: the same backbone with fewer cells. Its settings, to ask it."""
    settings = {"plugin": {"reference": {"colour_texture": {"grid": 20}}}}
    with retclip.open(copied, settings=settings) as memory:
        assert memory.spaces.add("reference.colour_texture").lacking == 0
    return settings


def test_every_space_is_checked_and_repaired(copied, built, two_spaces):
    found = check_store(copied, StoreOptions(), repair=False)
    of_each = [f"{what} reference.colour_texture" for what in ("space", "index of", "graph of")]
    wanted = ["disk", "catalog", "schema", "history", "chain of events", "archive", *of_each * 2, "traces"]
    assert [finding.what.split(" (")[0] for finding in found] == wanted
    assert all(one.ok for one in found)
    with FeatureStore.open(copied) as store:
        second = store.spaces.all()[1]
        index = store.projection(second.space).index
        index.delete([point for point, _ in list(index.scan())[:3]])
    name = f"index of reference.colour_texture ({second.space.id[:8]})"
    wrong = [one for one in check_store(copied, StoreOptions(), repair=False) if not one.ok]
    assert [(one.what, one.found) for one in wrong] == [(name, "3 missing, 0 orphan, 0 stale, 0 damaged")]
    assert by_name(check_store(copied, StoreOptions(), repair=True))[name].found.startswith("repaired: 3 missing")
    assert all(one.ok for one in check_store(copied, StoreOptions(), repair=False))


def test_lost_vectors_of_an_added_space_are_added_again_as_the_cure_says(copied, built, two_spaces):
    with FeatureStore.open(copied) as store, transaction(store.engine) as connection:
        (name,) = connection.execute(text("SELECT sha256 FROM feature_shard ORDER BY id DESC LIMIT 1")).scalars()
        store.archive.path(name).unlink()
    cure = by_name(check_store(copied, StoreOptions(), repair=True))["archive"].cure
    assert cure == f"now run: retclip store add-space --backbone reference.colour_texture --store {copied}"
    wrong = [one for one in check_store(copied, StoreOptions(), repair=False) if not one.ok]
    assert len(wrong) == 1 and wrong[0].what.startswith("space ") and wrong[0].found.startswith("0 of ")
    with retclip.open(copied, settings=two_spaces) as memory:
        assert memory.spaces.add("reference.colour_texture").lacking == 0
        assert memory.build(built.source).images == 6, "of this space, nothing was built yet"
    assert all(one.ok for one in check_store(copied, StoreOptions(), repair=False))


def lose(store, kind):
    """Delete every shard that runs of that kind wrote; how many."""
    names = "SELECT sha256 FROM feature_shard WHERE run_id IN (SELECT id FROM run WHERE kind = :kind)"
    with transaction(store.engine) as connection:
        lost = list(connection.execute(text(names), {"kind": kind}).scalars())
    for name in lost:
        store.archive.path(name).unlink()
    return len(lost)


def archive_of(folder, repair):
    options = StoreOptions(index="resident")
    return by_name(check_store(folder, options, repair))["archive"]


def test_what_a_fill_fetched_is_fetched_again_as_the_cure_says(world):
    folder, vocabulary = world.parts.store.folder, ("lorry", "puppy")
    world.fill(*vocabulary)
    assert lose(world.parts.store, "class_fill") == 2
    cure = archive_of(folder, repair=True).cure
    assert cure == f"now run: retclip fallback fill --classes 'lorry, puppy' --store {folder}"
    assert "lorry" not in world.stored()
    world.parts.store.archive._open.clear()
    report = world.fill(*vocabulary)
    assert [(one.state, one.images) for one in report.outcomes] == [("filled", 3), ("filled", 3)]
    assert all(one.event is not None for one in report.outcomes)
    assert (world.stored()["lorry"], world.stored()["puppy"]) == (3, 3)
    assert archive_of(folder, repair=False).ok
    assert world.parts.store.matches.reject("lorry", "ann").segments == 3, "its new event names them"


def test_what_class_add_stored_is_added_again_as_the_cure_says(world):
    store = world.parts.store
    add_class(world.parts, Addition("Horse", [(world.source, "world:")]))
    assert lose(store, "class_add") > 0
    cure = archive_of(store.folder, repair=True).cure
    assert cure == f"now run: retclip class add Horse world: --proposer stub.masks --store {store.folder}"
    store.archive._open.clear()
    assert add_class(world.parts, Addition("Horse", [(world.source, "world:")])).runs[0].images == 3
    assert archive_of(store.folder, repair=False).ok and world.stored()["Horse"] == 3


def test_of_a_class_from_many_photos_they_are_to_be_named(world):
    add_class(world.parts, Addition("Horse", [(world.source, "folder:/a b.png and 2 more")]))
    lose(world.parts.store, "class_add")
    cure = archive_of(world.parts.store.folder, repair=True).cure
    assert "class add Horse PHOTOS (those of folder:/a b.png and 2 more) --proposer stub.masks" in cure


def test_of_removed_segments_alone_nothing_is_left_to_do(world):
    world.fill("lorry")
    world.parts.store.matches.reject("lorry", "ann")
    lose(world.parts.store, "class_fill")
    assert "nothing is left to do" in archive_of(world.parts.store.folder, repair=True).cure
    assert archive_of(world.parts.store.folder, repair=False).ok


def test_a_graph_that_was_never_built_is_told_and_repaired(copied, monkeypatch):
    monkeypatch.setattr(indexes, "_memory", lambda: 0)  # no copy in memory answers in its place
    options = StoreOptions(exact_below=5)
    found = by_name(check_store(copied, options, repair=False))["graph"]
    assert not found.ok and found.cure == f"retclip doctor --store {copied} --repair"
    assert found.found.startswith("0 of ") and found.found.endswith("are in it: searches read the others one by one")
    points = found.found.split()[2]
    repaired = by_name(check_store(copied, options, repair=True))["graph"]
    assert repaired.ok and repaired.found == f"{points} of {points} vectors are in it"
    assert by_name(check_store(copied, options, repair=False))["graph"].ok
    assert "graph" not in by_name(check_store(copied, StoreOptions(index="resident"), repair=False))


def test_a_graph_that_cannot_be_built_says_why(copied, monkeypatch):
    monkeypatch.setattr(indexes, "_memory", lambda: 0)
    monkeypatch.setattr(edge_graph.sys, "executable", "/bin/false")
    found = by_name(check_store(copied, StoreOptions(exact_below=5), repair=True))["graph"]
    assert not found.ok and "exit code 1" in found.found and "make room" in found.cure
