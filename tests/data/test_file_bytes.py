"""A file's bytes are read once while there is room to hold them, and a stamp tells a file that may have changed."""

import os
from collections import Counter
from pathlib import Path

import pytest

from retclip.data import file_bytes
from retclip.data.file_bytes import ReadOnce
from retclip.data.images import file_digest, read_image
from retclip.data.readers.coco.coco_panoptic import CocoPanoptic, CocoPanopticSettings
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings
from retclip.data.readers.label_maps.label_maps import LabelMaps
from retclip.errors import DataError
from retclip.file_stamp import stamp_of


@pytest.fixture
def opened(monkeypatch):
    """How often each file was opened to read its bytes, by folder and name."""
    counted, original = Counter(), os.open

    def counting(path, *arguments, **more):
        counted["/".join(Path(path).parts[-2:])] += 1
        return original(path, *arguments, **more)

    monkeypatch.setattr(os, "open", counting)
    return counted


@pytest.fixture
def file(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    return tmp_path / "a"


def test_bytes_are_read_when_first_needed_and_again_when_they_were_taken(file, opened):
    once = ReadOnce(file)
    assert not opened
    assert [once.content, once.content, once.taken()] == [b"12345"] * 3 and opened.total() == 1
    file.write_bytes(b"67")
    assert once.taken() == b"67" and opened.total() == 2


def test_no_more_is_held_than_there_is_room(file, opened, monkeypatch):
    monkeypatch.setattr(file_bytes, "_room", file_bytes._Room(7))
    first, second = ReadOnce(file), ReadOnce(file)
    for _ in range(2):
        assert first.content == second.content == b"12345"
    assert opened.total() == 3, "the second file did not fit"
    first.let_go()
    first.let_go()
    assert [second.content, second.content] == [b"12345"] * 2 and opened.total() == 4
    assert not file_bytes._room.taken(3) and file_bytes._room.taken(2)


def test_a_file_that_nobody_knows_any_more_leaves_its_room(file, monkeypatch):
    monkeypatch.setattr(file_bytes, "_room", file_bytes._Room(5))
    once = ReadOnce(file)
    assert once.content and not file_bytes._room.taken(1)
    del once
    assert file_bytes._room.taken(5)


def test_a_young_file_has_no_stamp_for_it_could_change_and_keep_its_time(file, monkeypatch):
    young = ReadOnce(file)
    assert young.content and young.stamp is None
    monkeypatch.setattr(file_bytes, "SETTLED", -1.0)
    old = ReadOnce(file)
    assert old.stamp is None and old.content and old.stamp == stamp_of(file)


def test_a_file_that_is_gone_is_an_error_each_time(tmp_path):
    gone = ReadOnce(tmp_path / "gone.png")
    for read in (file_digest, read_image, file_digest):
        with pytest.raises(DataError, match=r"gone\.png"):
            read(gone)


@pytest.mark.parametrize("data_set", ["coco", "street"])
def test_a_source_reads_a_photo_and_its_map_once_for_digest_and_decoding(data_set, request, opened):
    root = request.getfixturevalue(data_set).root
    if data_set == "coco":
        source, maps = CocoPanoptic(CocoPanopticSettings(path=str(root))), "panoptic"
    else:
        source, maps = LabelMaps(LabelMapSettings(path=str(root))), "labels"
    opened.clear()
    for record in source.images():
        assert record.file_digest() == record.load().sha256
    assert opened == {f"{folder}/{name}.png": 1 for folder in ("images", maps) for name in "ab"}
    assert file_bytes._room.taken(file_bytes.ROOM), "nothing is held when all is decoded"
    file_bytes._room.left(file_bytes.ROOM)
