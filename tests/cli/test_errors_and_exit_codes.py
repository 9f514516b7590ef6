"""What goes wrong ends in three parts on stderr and its own exit code: never a traceback, never half an answer."""

import csv
import os
import subprocess
import sys

import pytest

from retclip import cli, errors


def assert_told(ran, code, *parts):
    """The exit code, the three parts in their order, and nothing on stdout."""
    assert ran.code == code, ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    told = ran.err[ran.err.index("retclip: expected ") :].splitlines()
    assert [line[:18].split()[0] for line in told[:3]] == ["retclip:", "got", "to"]
    for part in parts:
        assert part in ran.err


def every_error(kind=errors.RetCLIPError):
    return [kind, *(found for one in kind.__subclasses__() for found in every_error(one))]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_ends_with_its_code(run, monkeypatch, kind):
    def failing():
        raise kind("a whole number", "a fish", "count again")

    monkeypatch.setattr(cli, "_command", lambda: failing)
    assert_told(run(), kind.exit_code, "expected a whole number", "a fish", "count again")


@pytest.mark.parametrize(
    "command",
    [
        ("class", "list"), ("segment", "x.png"), ("evaluate", "label-maps:x"), ("explain", "x.png", "--segment", "1"),
        ("db", "current"), ("db", "check"), ("class", "add", "sky", "x"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_missing_store_is_5(run, tmp_path, command):
    assert_told(run(*command, "--store", tmp_path / "gone"), 5, "a store at", "retclip init")
    assert not (tmp_path / "gone").exists()


def test_an_unknown_component_is_4_with_a_near_one(run, built, photos):
    store = ("--store", built.store)
    ran = run("segment", photos, *store, "--proposer", "reference.superpixel")
    assert_told(ran, 4, "'reference.superpixel'", "did you mean 'reference.superpixels'?")
    assert_told(run("segment", photos, *store, "--classifier", "nope"), 4, "a classifier named 'nope'")
    assert_told(run("plugins", "info", "nope"), 4, "'nope'")
    assert_told(run("segment", "nope:x", *store), 4, "a source named 'nope'")


def test_an_unknown_or_impossible_setting_is_2(run, built, photos, monkeypatch):
    segment = ("segment", photos, "--store", built.store)
    assert_told(run(*segment, "--set", "retrieval.per_clas=true"), 2, "did you mean 'per_class'?")
    assert_told(run(*segment, "--set", "retrieval.k=0"), 2, "retrieval.k", "greater than or equal to 1")
    assert_told(run(*segment, "--set", "retrieval.k"), 2, "KEY=VALUE")
    assert_told(run(*segment, "--set", "plugin.reference.superpixels.cont=3"), 2, "did you mean 'count'?")
    assert_told(run(*segment, "--preset", "nope"), 2, "a preset")
    assert_told(run(*segment, "--set", "device.name=nope"), 2, "a device of this machine")
    monkeypatch.setenv("RETCLIP_RETREIVAL__K", "3")
    assert_told(run(*segment), 2, "RETCLIP_RETREIVAL__K", "did you mean RETCLIP_RETRIEVAL__K?")


def test_a_wrong_flag_is_2_and_says_which(run):
    ran = run("segment", "--no-such-flag")
    assert (ran.code, ran.out) == (2, "")
    assert "--no-such-flag" in ran.err


def test_a_class_file_or_photo_that_cannot_be_read_is_3(run, built, photos, tmp_path):
    segment = ("segment", photos / "good.png", "--store", built.store, "--out", tmp_path / "out")
    assert_told(run(*segment, "--classes", tmp_path / "gone.txt"), 3, "a readable class list")
    (tmp_path / "odd.json").write_text('[{"nom": "ciel"}]')
    assert_told(run(*segment, "--classes", tmp_path / "odd.json"), 3, "classes with a name")
    assert_told(run("segment", tmp_path / "gone.png", "--store", built.store), 3, "nothing there")
    ran = run("segment", photos / "bad.png", "--store", built.store, "--out", tmp_path / "out")
    assert_told(ran, 3, "every photo to be readable", "bad.png")


def failures(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_bad_photo_among_good_ones_is_7_and_listed(run, built, photos, tmp_path):
    out = tmp_path / "out"
    ran = run("segment", photos, "--store", built.store, "--out", out, "--set", "store.index=resident")
    assert_told(ran, 7, "1 that failed, first bad.png", f"see {out}/failures.csv")
    ((row),) = failures(out / "failures.csv")
    assert (row["external_id"], row["uri"]) == ("bad.png", str(photos / "bad.png"))
    assert "a whole photo" in row["reason"]
    assert (out / "good.evidence.npz").is_file()
    (photos / "bad.png").unlink()
    ran = run("segment", photos, "--store", built.store, "--out", out, "--set", "store.index=resident")
    assert (ran.code, ran.out) == (0, "")
    assert not (out / "failures.csv").exists()


def test_a_second_segment_beside_a_build_reads_from_memory_and_says_so(run, built, photos, tmp_path, caplog):
    """The build holds the embedded index's lock; before, the second command ended with exit code 5."""
    from retclip.store.feature_store import FeatureStore

    (photos / "bad.png").unlink()
    with FeatureStore.open(built.store) as builder:
        builder.projection()
        ran = run("segment", photos, "--store", built.store, "--out", tmp_path / "out")
    assert ran.code == 0 and (tmp_path / "out" / "good.evidence.npz").is_file()
    (warning,) = [record for record in caplog.records if record.name == "retclip.store.index.indexes"]
    assert warning.levelname == "WARNING" and f"held by process {os.getpid()}" in warning.getMessage()


def test_a_bad_label_map_costs_a_build_that_image_alone(run, labelled, tmp_path):
    root, whole = labelled
    store = tmp_path / "store"
    ran = run("build", f"label-maps:{root}", "--store", store)
    assert_told(ran, 7, "1 failures, first b.png", f"see {store / 'failures.csv'}", "1 segments from 1 images")
    assert [one["external_id"] for one in failures(store / "failures.csv")] == ["b.png"]
    (root / "labels" / "b.png").write_bytes(whole)
    ran = run("build", f"label-maps:{root}", "--store", store)
    assert (ran.code, ran.out) == (0, "")
    assert "1 segments from 1 images; 1 images done before" in ran.err
    assert not (store / "failures.csv").exists()


def test_a_build_without_a_class_that_is_not_there_is_3(run, labelled, tmp_path):
    ran = run("build", f"label-maps:{labelled[0]}", "--store", tmp_path / "s", "--without", "Gras")
    assert_told(ran, 3, "a class of label-maps", "'Gras'", "did you mean 'grass'")
    ran = run("build", f"label-maps:{labelled[0]}", "--store", tmp_path / "s", "--classes", "sky, gras")
    assert_told(ran, 3, "a class of label-maps", "'gras'", "did you mean 'grass'")


def test_a_class_without_a_name_is_3(run, photos, tmp_path):
    assert run("init", tmp_path / "s").code == 0
    ran = run("class", "add", "  ", photos / "good.png", "--store", tmp_path / "s",
              "--proposer", "reference.whole_image")  # fmt: skip
    assert_told(ran, 3, "a name of 1 to 200 characters")


def test_a_store_where_a_file_lies_is_5(run, tmp_path, labelled):
    (tmp_path / "file").write_text("in the way")
    assert_told(run("init", tmp_path / "file"), 5, "a folder that can be made")
    assert_told(run("build", f"label-maps:{labelled[0]}", "--store", tmp_path / "file"), 5, "a folder that can be made")


def test_a_store_of_another_schema_is_5(run, tmp_path):
    import sqlite3

    assert run("init", tmp_path / "store").code == 0
    with sqlite3.connect(tmp_path / "store" / "catalog.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert_told(run("class", "list", "--store", tmp_path / "store"), 5, "revision 9999", "install a newer retclip")
    ran = run("db", "current", "--store", tmp_path / "store")
    assert (ran.code, "9999" in ran.out) == (0, True)


def test_making_a_store_twice_is_5(run, tmp_path):
    assert run("init", tmp_path / "store").code == 0
    assert_told(run("init", tmp_path / "store"), 5, "a store that is there already")


def test_ctrl_c_is_130_and_says_how_to_go_on(run, labelled, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("retclip.engine.RetCLIP.build", interrupted)
    ran = run("build", f"label-maps:{labelled[0]}", "--store", tmp_path / "store")
    assert (ran.code, ran.out) == (130, "")
    assert "Run the same command again to go on." in ran.err


def test_the_real_program_ends_alike(tmp_path):
    command = [sys.executable, "-m", "retclip.cli", "class", "list", "--store", str(tmp_path / "gone"), "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stdout) == (5, "")
    assert [line.split()[0] for line in ran.stderr.splitlines()] == ["retclip:", "got", "to"]


def test_places_that_cannot_be_written_are_told(run, built, tmp_path, photos):
    (tmp_path / "file").write_text("in the way")
    store = ("--store", built.store, "--set", "store.index=resident")
    good, below = photos / "good.png", tmp_path / "file" / "x.png"
    assert_told(run("segment", good, *store, "--out", tmp_path / "file"), 3, "a folder in which files can be made")
    ran = run("explain", good, *store, "--at", "5,5", "--picture", below)
    assert ran.code == 3 and "Traceback" not in ran.err
    assert_told(run("demo", "--out", tmp_path / "file"), 3, "a folder in which files can be made")
    assert_told(run("plugins", "new", "mine", "--folder", tmp_path / "file"), 2, "a folder that can be written")


def test_what_no_door_foresaw_is_told_too(run, monkeypatch):
    def failing():
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr(cli, "_command", lambda: failing)
    assert_told(run(), 3, "/somewhere", "permissions")


def test_a_misspelt_component_in_the_settings_is_2(run, built, photos):
    given = ("--store", built.store, "--set", "store.index=resident")
    ran = run("segment", photos / "good.png", *given, "--set", "plugin.retreival.vote.vote=rank")
    assert_told(ran, 2, "[plugin.retreival]", "did you mean 'retrieval'?")
    ran = run("segment", photos / "good.png", *given, "--set", "plugin.retrieval.vte.vote=rank")
    assert_told(ran, 2, "[plugin.retrieval.vte]", "its components: fitted, prototypes, vote")


def test_a_mistake_in_what_a_check_was_given_is_not_the_plugins(run):
    assert_told(run("plugins", "check", "folder"), 2, "data.folder, path")
    assert_told(run("plugins", "check", "vote", "--set", "vote=foo"), 2, "retrieval.vote, vote")
    assert_told(run("plugins", "info", "nope"), 4, "a component named 'nope'")
    assert_told(run("plugins", "info", "vote", "--kind", "banana"), 2, "a kind, one of")


def test_where_nothing_at_all_could_be_used_is_3(run, photos, tmp_path):
    assert run("init", tmp_path / "s").code == 0
    given = ("--store", tmp_path / "s", "--proposer", "reference.whole_image")
    assert_told(run("class", "add", "cat", photos / "bad.png", *given), 3, "1 failures, first bad.png")
    (tmp_path / "empty").mkdir()
    assert_told(run("class", "add", "cat", tmp_path / "empty", *given), 3, "at least one photo")
    ran = run("class", "add", "cat", photos / "good.png", photos / "typo.png", *given)
    assert_told(ran, 3, "typo.png", "nothing there")
    assert "run " not in ran.err, "the first was not worked on"


def test_own_photos_without_annotation_are_told_the_flags_and_leave_nothing(run, photos, tmp_path):
    store = ("--store", tmp_path / "s")
    assert_told(run("build", photos, *store), 3, "photos without annotation", "retclip class add NAME PHOTOS --crops")
    assert not (tmp_path / "s").exists()
    assert run("init", tmp_path / "s").code == 0
    told = ("photos without annotation", "--crops where each photo shows it", "--boxes, --points or --masks")
    assert_told(run("class", "add", "cat", photos / "good.png", *store), 3, *told)
    assert_told(run("class", "add", "cat", photos / "bad.png", *store, "--crops"), 3, "bad.png")
    assert len(run("class", "history", *store).out.splitlines()) == 1, "the head alone"
    assert len(run("class", "list", *store).out.splitlines()) == 1


def test_digits_that_are_no_numbers_are_2(run, built, photos):
    given = ("--store", built.store, "--set", "store.index=resident")
    assert_told(run("explain", photos / "good.png", *given, "--at", "\u00b2,3"), 2, "whole pixels")


@pytest.mark.parametrize(("kind", "told"), [(RecursionError, "nest less deeply"), (MemoryError, "fit into memory")])
def test_data_that_no_check_foresaw_are_no_traceback(run, tmp_path, monkeypatch, kind, told):
    def explode(*_, **__):
        raise kind

    monkeypatch.setattr("retclip.cli.options.opened", explode)
    assert_told(run("segment", tmp_path, "--store", tmp_path / "s"), 3, told, kind.__name__)
