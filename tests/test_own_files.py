"""What RetCLIP wrote may be replaced, what somebody else wrote stays as it is."""

import csv
import errno
import os

import numpy as np
import pytest
from PIL import Image

from retclip.data.images import write_png
from retclip.errors import ConfigError, DataError
from retclip.own_files import (
    FAILURES_HEAD,
    claim_folder,
    is_own_file,
    is_own_folder,
    replaceable,
    require_own_folder,
    require_replaceable,
    write_durably,
    written_whole,
)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("there", [(), (".DS_Store", "Thumbs.db")])
def test_a_new_an_empty_and_a_marked_folder_are_ours(tmp_path, there):
    folder = tmp_path / "out"
    claim_folder(tmp_path / "new" / "below", "results")
    folder.mkdir()
    for name in there:
        (folder / name).touch()
    claim_folder(folder, "results")
    (folder / "panoptic.json").write_text("{}")
    claim_folder(folder, "results")
    assert is_own_folder(folder, "results") and is_own_folder(tmp_path / "new" / "below", "results")


@pytest.mark.parametrize("name", ["panoptic.json", ".git", ".retclip-demo"])
def test_any_other_folder_is_refused_and_left_as_it_is(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ConfigError, match="choose a new folder with --out") as refused:
        claim_folder(tmp_path, "results")
    assert name in refused.value.got and str(tmp_path) in refused.value.got
    assert contents(tmp_path) == {name: b"mine"}


def test_of_many_files_some_are_named(tmp_path):
    for number in range(5):
        (tmp_path / f"{number}.png").touch()
    with pytest.raises(ConfigError, match=r"0\.png, 1\.png, 2\.png and 2 more"):
        require_own_folder(tmp_path, "results")


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="choose another place for --out"):
        claim_folder(tmp_path / "file", "results")


def test_pictures_say_who_wrote_them(tmp_path):
    pixels = np.zeros((2, 3, 3), np.uint8)
    write_png(tmp_path / "ours.png", pixels)
    Image.fromarray(pixels).save(tmp_path / "theirs.png")
    (tmp_path / "empty.png").touch()  # as mktemp makes it
    assert [is_own_file(tmp_path / f"{name}.png") for name in ("ours", "theirs", "empty")] == [True, False, False]
    for name in ("ours", "empty", "new"):
        require_replaceable(tmp_path / f"{name}.png", "--picture")
    with pytest.raises(ConfigError, match=r"theirs\.png, which it did not write; choose another name for --picture"):
        require_replaceable(tmp_path / "theirs.png", "--picture")


def test_a_list_of_somebody_else_keeps_its_name(tmp_path):
    path = tmp_path / "failures.csv"
    assert replaceable(path) == path
    path.write_text("mine\n")
    (tmp_path / "failures_2.csv").write_text(f"mine, too\n{','.join(FAILURES_HEAD)}\n")
    assert replaceable(path) == tmp_path / "failures_3.csv"
    with (tmp_path / "failures_3.csv").open("w", newline="") as file:
        csv.writer(file).writerow(FAILURES_HEAD)
    assert replaceable(path) == tmp_path / "failures_3.csv"


def test_a_file_that_could_not_be_finished_is_not_there(tmp_path):
    class Killed(BaseException):
        pass

    def kill(step):
        raise Killed(step)

    with pytest.raises(Killed):
        write_durably(tmp_path / "shard.npy", b"half", kill)
    assert not (tmp_path / "shard.npy").exists()
    write_durably(tmp_path / "shard.npy", b"whole")
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"whole"], "the next try uses the same temporary name"


def test_a_full_disk_keeps_the_old_file_and_no_part_of_the_new_one(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "shard.npy").write_bytes(b"old")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_durably(tmp_path / "shard.npy", b"new")
    with pytest.raises(OSError, match="No space"), written_whole(tmp_path / "shard.npy") as temporary:
        temporary.write_bytes(b"half")
        full(temporary)
    assert contents(tmp_path) == {"shard.npy": b"old"}
