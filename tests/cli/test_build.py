"""`retclip build`: dry runs that write nothing, and executors by name."""

import json

import pytest

from retclip.config import load

SCENES = "reference.scenes:{}?split=train&count={}&width=96&height=64"


@pytest.fixture
def source(tmp_path):
    return lambda count: SCENES.format(tmp_path / "scenes", count)


def test_a_dry_run_makes_no_store_and_tells_what_a_build_then_does(run, source, tmp_path):
    store = tmp_path / "store"
    found = run("build", source(4), "--store", str(store), "--dry-run", "--json")
    told = json.loads(found.out)
    assert found.code == 0 and not store.exists()
    assert (told["total"], told["todo"], told["finished"], told["sampled"]) == (4, 4, 0, 4)
    built = json.loads(run("build", source(4), "--store", str(store), "--json").out)
    assert built["segments"] == told["segments"]
    again = run("build", source(6), "--store", str(store), "--dry-run", "--workers", "2")
    rows = dict(line.split("\t") for line in again.out.splitlines())
    assert (rows["to do"], rows["done before"], rows["tried"]) == ("2", "4", "2")
    assert "time, 2 workers on a device each" in rows
    assert json.loads(run("build", source(4), "--store", str(store), "--json").out)["skipped"] == 4


def test_two_workers_by_a_flag(run, source, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    alone = json.loads(run("build", source(5), "--store", str(one), "--json").out)
    both = json.loads(run("build", source(5), "--store", str(two), "--workers", "2", "--json").out)
    assert {**alone, "run": 0} == {**both, "run": 0}


def test_the_store_remembers_what_it_was_made_with_not_by_which_machine(run, source, tmp_path):
    machine = ("--workers", "1", "--set", "device.name=cpu", "--set", "build.ray_address=auto")
    assert run("build", source(2), "--store", tmp_path / "store", "--set", "build.max_segments=7", *machine).code == 0
    written = load(tmp_path / "store" / "retclip.toml")
    assert written.build.max_segments == 7
    assert (written.build.model_fields_set, written.device.model_fields_set) == ({"max_segments"}, set())


@pytest.mark.parametrize("flags", [("--executor", "dask"), ("--workers", "-1"), ("--dry-run", "--sample", "0")])
def test_what_cannot_be(run, source, tmp_path, flags):
    assert run("build", source(2), "--store", str(tmp_path / "store"), *flags).code == 2
    assert not (tmp_path / "store").exists()


def test_a_build_of_photos_that_are_stored_by_another_proposer_says_that_both_vote(run, source, tmp_path):
    store = ("--store", str(tmp_path / "store"))
    first = run("build", source(2), *store)
    assert "too, and both vote" not in first.err
    patches = run("build", source(3), *store, "--proposer", "reference.superpixels")
    assert patches.code == 0
    assert "2 of these photos have masks of reference.ground_truth, too, and both vote" in " ".join(patches.err.split())
    assert "masks without a majority of the annotation" in patches.err
