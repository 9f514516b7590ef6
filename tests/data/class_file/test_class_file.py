"""Class files: what is written is read again, the same content is the same bytes, and nothing that cannot be is
believed."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from retclip import limits
from retclip.data import rle
from retclip.data.class_file.reading import read_class_file
from retclip.data.class_file.records import ClassFile, FileClass, FileOrigin, FilePhoto, FileSegment
from retclip.data.class_file.writing import packed_class_file, write_class_file
from retclip.errors import ConfigError, DataError
from retclip.limits import Limits
from retclip.types import FeatureSpace

SPACE = FeatureSpace("stub.colour", "none", "none", "mean-1", 4)


def segment(photo=0, line=0, ordinal=0, **more):
    mask = np.zeros((6, 8), bool)
    mask[1:4, 2:7] = True
    values = {
        "photo": photo, "origin": 0, "class": line, "prompt": "cat", "ordinal": ordinal, "box": (2, 1, 5, 3),
        "area": 15, "counts": rle.encode(mask)["counts"], "label_source": "annotation", "confidence": 1.0,
        "score": 0.5,
    }  # fmt: skip
    return FileSegment.model_validate(values | more)


def contents(count=3):
    vectors = np.eye(4, dtype=np.float16)[np.arange(count) % 4]
    return ClassFile(
        SPACE,
        (FileClass(name="cat", synonyms=("kitty",), thing=True), FileClass(name="grass", thing=False)),
        (FilePhoto(sha256="a" * 64, id="a.jpg", width=8, height=6, licence="CC BY 2.0"),),
        (FileOrigin(data_set="pets", source="folder:pets", proposer="stub.masks", proposer_version="1"),),
        tuple(segment(line=n % 2, ordinal=n) for n in range(count)),
        vectors,
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cats.zip"
    write_class_file(path, contents())
    return path


def rezipped(file, changes, compress=zipfile.ZIP_STORED):
    """The same file with other members."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(file, "w", compress) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


def manifest(file):
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("manifest.json"))


def forged(file, name, content):
    """A member changed, and the manifest made to agree with it: what a stranger may write on purpose."""
    import hashlib

    said = manifest(file)
    said["members"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    rezipped(file, {name: content, "manifest.json": json.dumps(said).encode()})


def refused(file, *words):
    with pytest.raises(DataError) as caught:
        read_class_file(file)
    for word in words:
        assert word in str(caught.value)


def test_what_is_written_is_read_again(file):
    read, wrote = read_class_file(file), contents()
    assert (read.space, read.classes, read.photos, read.origins) == (
        wrote.space, wrote.classes, wrote.photos, wrote.origins,
    )  # fmt: skip
    assert read.segments == wrote.segments
    assert np.array_equal(read.vectors, wrote.vectors) and read.vectors.dtype == np.float16


def test_the_same_content_is_the_same_bytes_and_plain_for_other_tools(file, tmp_path):
    assert packed_class_file(contents()) == packed_class_file(contents()) == file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
        vectors = np.load(io.BytesIO(archive.read("vectors.npy")), allow_pickle=False)
        first = json.loads(archive.read("segments.jsonl").splitlines()[0])
    assert vectors.shape == (3, 4) and first["class"] == 0 and first["box"] == [2, 1, 5, 3]


def test_one_that_others_compressed_is_read_too(file):
    before = read_class_file(file)
    rezipped(file, {}, zipfile.ZIP_DEFLATED)
    assert read_class_file(file).segments == before.segments


def test_a_file_of_somebody_elses_is_not_written_over(tmp_path):
    path = tmp_path / "notes.zip"
    path.write_bytes(b"my own notes")
    with pytest.raises(ConfigError, match="did not write"):
        write_class_file(path, contents())
    assert path.read_bytes() == b"my own notes"


def test_every_byte_that_is_cut_off_or_changed_is_noticed_or_means_nothing(file):
    """Flipping any single byte either fails, or leaves what is read as it was (fields of the zip that nobody reads)."""
    content, whole = file.read_bytes(), read_class_file(file)
    for place in range(0, len(content), 7):
        file.write_bytes(content[:place] + bytes([content[place] ^ 0x21]) + content[place + 1 :])
        try:
            read = read_class_file(file)
        except DataError:
            continue
        assert read.segments == whole.segments and read.classes == whole.classes
        assert np.array_equal(read.vectors, whole.vectors)
    for length in (0, 1, 30, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        refused(file)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(b"PK nothing")
    refused(path, "no zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"cos\nsystem\n")
    refused(path, "a zip of data.pkl")
    refused(tmp_path)
    refused(tmp_path / "absent.zip", "absent.zip")


def test_a_later_version_says_so(file):
    rezipped(file, {"manifest.json": json.dumps(manifest(file) | {"version": 3}).encode()})
    refused(file, "version 2", "version 3", "newer RetCLIP")


def test_negative_examples_come_back_and_make_the_second_version(tmp_path, file):
    """A program of the first version, which would let them vote, refuses the file."""
    assert manifest(file)["version"] == 1
    path, whole = tmp_path / "not.zip", contents()
    segments = (segment(against=(0, 1)), *whole.segments[1:])
    write_class_file(path, replace(whole, segments=segments))
    assert manifest(path)["version"] == 2 and read_class_file(path).segments == segments


@pytest.mark.parametrize("against", [(2,), (1, 0), (0, 0)])
def test_a_negative_example_of_no_class_is_refused(tmp_path, against):
    path, whole = tmp_path / "not.zip", contents()
    write_class_file(path, replace(whole, segments=(segment(against=against), *whole.segments[1:])))
    refused(path, "line 1 of segments.jsonl, against")


def test_a_space_whose_parts_make_another_is_refused(file):
    said = manifest(file)
    said["space"]["weights"] = "f" * 64
    rezipped(file, {"manifest.json": json.dumps(said).encode()})
    refused(file, "whose parts make")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"photo": 7}, "photo 7 of 1"),
        ({"class": 2}, "class_line 2 of 2"),
        ({"area": 14}, "area 14"),
        ({"box": [0, 0, 8, 6]}, "box"),
        ({"counts": "oooooooooooooooo"}, "COCO mask"),
        ({"counts": "\u0000"}, "counts"),
        ({"score": 1.5}, "score"),
        ({"label_source": "rumour"}, "label_source"),
        ({"prompt": "a\u202eb"}, "prompt"),
        ({"extra": 1}, "extra"),
        ({"ordinal": 1}, "slot that comes twice"),
    ],
)
def test_segments_that_cannot_be(file, change, word):
    with zipfile.ZipFile(file) as archive:
        first, *others = archive.read("segments.jsonl").splitlines()
    content = b"\n".join([json.dumps(json.loads(first) | change).encode(), *others]) + b"\n"
    forged(file, "segments.jsonl", content)
    refused(file, word)


@pytest.mark.parametrize(
    ("lines", "word"),
    [
        ([{"name": "cat"}, {"name": "Cat"}], "one name"),
        ([{"name": "cat", "synonyms": ["grass"]}, {"name": "grass"}], "grass"),
        ([{"name": " "}, {"name": "grass"}], "name"),
        ([{"name": "x" * 201}, {"name": "grass"}], "name"),
        ([{"name": "cat", "thing": 1}, {"name": "grass"}], "thing"),
        ([{"name": "cat"}], "1 lines"),
    ],
)
def test_classes_that_cannot_be(file, lines, word):
    forged(file, "classes.jsonl", "".join(json.dumps(one) + "\n" for one in lines).encode())
    refused(file, word)


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "vectors",
    [
        npy(np.eye(4, dtype="<f4")[:3]),
        npy(np.eye(4, dtype="<f2")[:2]),
        npy(np.full((3, 4), np.nan, "<f2")),
        npy(np.zeros((3, 4), "<f2")),
        npy(np.array([[{}, 1, 2, 3]] * 3, dtype=object)),
        npy(np.eye(4, dtype="<f2")[:3]).replace(b"(3, 4)", b"(3, 4000000000000)".ljust(6)),
    ],
    ids=["float32", "too few", "NaN", "no length", "a pickle", "absurd shape"],
)
def test_vectors_that_cannot_be(file, vectors):
    forged(file, "vectors.npy", vectors)
    refused(file)


def test_what_unpacks_to_more_than_allowed_is_not_unpacked(file):
    forged(file, "photos.jsonl", b" " * 3_000_000)
    rezipped(file, {}, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 100_000
    before = limits.current()
    limits.use(Limits(unpacked_bytes=1_000_000))
    try:
        refused(file, "limits.unpacked_mib")
    finally:
        limits.use(before)


def test_a_photo_larger_than_any_is_refused(file):
    photo = {"sha256": "a" * 64, "id": "a.jpg", "width": 10**9, "height": 10**9}
    forged(file, "photos.jsonl", json.dumps(photo).encode() + b"\n")
    refused(file, "pixels")


def test_no_segment_at_all(tmp_path):
    empty = replace(contents(0), vectors=np.zeros((0, 4), np.float16))
    write_class_file(tmp_path / "none.zip", empty)
    assert read_class_file(tmp_path / "none.zip").segments == ()


def test_a_mask_of_another_photo_s_size_is_told_with_file_and_line(file):
    with zipfile.ZipFile(file) as archive:
        photos = archive.read("photos.jsonl").replace(b'"width":8', b'"width":9')
    forged(file, "photos.jsonl", photos)
    refused(file, str(file), "line 1 of segments.jsonl", "6 x 9 pixels")
