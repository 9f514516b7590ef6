"""Pairs in tar shards: samples of equal stems, what lies before a damaged place; and what is refused."""

import io
import json
import tarfile

import pytest

from retclip import limits
from retclip.data.readers.text.pair_files import read_pairs
from retclip.data.readers.text.pairs import BadPair
from retclip.errors import DataError


def shard(file, members):
    with tarfile.open(file, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file


def test_shards_hold_samples_of_equal_stems(tmp_path, png, told):
    listed = json.dumps({"caption": ["red", "owl"]}).encode()
    members = {
        "a/1.png": png(1),
        "a/1.txt": b"fox",
        "2.json": listed,
        "2.png": png(2),
        "3.txt": b"elk",
        "3.PNG": png(3),
    }
    file = shard(tmp_path / "0.tar", {**members, "3.PNG": png(3), "3.cls": b"7"})
    found = list(read_pairs(file))
    assert told(found) == [("a/1", "fox"), ("2", "red", "owl"), ("3", "elk")]
    assert [one.read() for one in found] == [png(1), png(2), png(3)] and found[0].uri == f"{file}#a/1.png"
    other = shard(tmp_path / "1.tar", {"1.png": png(1), "1.json": b'{"alt": "fox"}'})
    assert told(read_pairs(other, text="alt")) == [("1", "fox")]


def test_shards_of_macos_and_captions_of_null(tmp_path, png, told):
    members = {
        "._s.png": b"x",
        "s.png": png(1),
        "./._s.txt": b"\xff",
        "s.txt": b"fox",
        "t.png": png(2),
        "t.json": b"{}",
    }
    found = list(read_pairs(shard(tmp_path / "0.tar", {**members, "t.json": b'{"caption": null}'})))
    assert told(found) == [("s", "fox"), ("t", "")] and found[0].read() == png(1)


def test_two_images_of_one_sample_are_told_and_cost_it(tmp_path, png, told):
    members = {
        "1.png": png(1),
        "1.jpg": png(2),
        "1.txt": b"fox",
        "2.png": png(3),
        "2.mask.png": png(4),
        "2.txt": b"owl",
    }
    bad, good = read_pairs(shard(tmp_path / "0.tar", members))
    assert (
        isinstance(bad, BadPair)
        and "one image in sample '1'" in bad.error.expected
        and "1.png and 1.jpg" in bad.error.got
    )
    assert told([good]) == [("2", "owl")] and good.read() == png(3)


def test_a_sample_that_comes_again_at_once_does_not_replace_the_first(tmp_path, png, told):
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        for name, content in [("1.png", png(1)), ("1.txt", b"fox"), ("1.png", png(2)), ("1.txt", b"owl")]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    found = list(read_pairs(tmp_path / "0.tar"))
    assert told(found) == [("1", "fox"), ("1", "owl")] and [one.read() for one in found] == [png(1), png(2)]


SHARDS = {
    "no text": {"1.png": b"x"},
    "no image": {"1.txt": b"x"},
    "the text of another": {"1.png": b"x", "2.txt": b"x"},
    "a text that is not utf-8": {"1.png": b"x", "1.txt": b"\xff\xfe"},
    "a JSON of words": {"1.png": b"x", "1.json": b"hello"},
    "a JSON of a list": {"1.png": b"x", "1.json": b"[]"},
    "a JSON without caption": {"1.png": b"x", "1.json": b'{"url": "x"}'},
    "a caption of a number": {"1.png": b"x", "1.json": b'{"caption": 5}'},
    "a deep JSON": {"1.png": b"x", "1.json": b"[" * 100_000},
}


@pytest.mark.parametrize("members", SHARDS.values(), ids=SHARDS)
def test_a_damaged_shard(tmp_path, refused, members, reading):
    refused(reading(shard(tmp_path / "a.tar", members)), str(tmp_path / "a.tar"))


@pytest.mark.parametrize("content", [b"", b"hello" * 200])
def test_a_file_that_is_no_tar(tmp_path, refused, content, reading):
    (tmp_path / "a.tar").write_bytes(content)
    refused(reading(tmp_path / "a.tar"), str(tmp_path / "a.tar"))


def test_a_sample_without_a_caption_costs_that_sample(tmp_path, png, told):
    members = {"a.png": png(1), "a.txt": b"fox", "b.png": png(2), "c.png": png(3), "c.txt": b"owl"}
    first, second, third = read_pairs(shard(tmp_path / "0.tar", members))
    assert told([first, third]) == [("a", "fox"), ("c", "owl")]
    assert isinstance(second, BadPair) and "'b'" in second.where and ".txt or .json" in second.error.expected


def before(file):
    """The samples before the damage, and the error that tells of it."""
    found = []
    with pytest.raises(DataError) as caught:
        for pair in read_pairs(file):
            found.append(pair)
    return found, str(caught.value)


def test_a_shard_that_is_cut_gives_what_lies_before(tmp_path, png, told):
    members = {"1.png": png(1), "1.txt": b"fox", "2.png": b"x" * 5000, "2.txt": b"y" * 5000}
    file = shard(tmp_path / "a.tar", members)
    file.write_bytes(file.read_bytes()[:4000])
    found, error = before(file)
    assert told(found[:1]) == [("1", "fox")] and found[0].read() == png(1)
    assert isinstance(found[1], BadPair) and "'2'" in found[1].where
    assert str(file) in error and "write the shard again" in error


def test_a_damaged_header_is_not_the_end_of_a_shard(tmp_path, png, told):
    members = {name: content for n in range(3) for name, content in ((f"{n}.png", png(n)), (f"{n}.txt", b"fox"))}
    file = shard(tmp_path / "a.tar", members)
    content = bytearray(file.read_bytes())
    content[content.index(b"1.png")] ^= 1  # of the second sample's first header
    file.write_bytes(bytes(content))
    found, error = before(file)
    assert told(found) == [("0", "fox")] and "damaged header at byte" in error


def test_what_is_too_large_costs_its_sample_and_is_not_read(tmp_path, monkeypatch, png):
    monkeypatch.setattr(limits, "_current", limits.Limits(text_bytes=100, file_bytes=1000))
    members = {
        "1.png": b"x" * 1001,
        "1.txt": b"fox",
        "2.png": png(2),
        "2.txt": b"o" * 101,
        "3.png": png(3),
        "3.txt": b"elk",
    }
    large, long, good = read_pairs(shard(tmp_path / "0.tar", members))
    assert "at most 1000 bytes of image in sample '1'" in str(large.error) and "limits.file_mib" in large.error.todo
    assert "at most 100 bytes of text in sample '2'" in str(long.error) and "limits.text_kib" in long.error.todo
    assert good.texts == ("elk",)


def test_json_that_nests_too_deeply_costs_its_sample(tmp_path, png):
    deep, good = read_pairs(
        shard(tmp_path / "0.tar", {"1.png": png(1), "1.json": b"[" * 100_000, "2.png": png(2), "2.txt": b"elk"})
    )
    assert "nests less deeply in sample '1'" in str(deep.error) and good.key == "2"


@pytest.mark.parametrize("packed", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_shard_is_told_as_such(tmp_path, refused, packed):
    with tarfile.open(tmp_path / "0.tar", packed) as archive:
        archive.addfile(tarfile.TarInfo("1.txt"))
    refused(lambda: list(read_pairs(tmp_path / "0.tar")), "0.tar", "unpack it first")
