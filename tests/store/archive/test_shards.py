"""The archive: what it acknowledged is on disk, is named by its content, and no damage to it goes unnoticed."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from retclip.errors import StoreDamaged, StoreError
from retclip.store.archive import shards as module
from retclip.store.archive.shards import OPEN_SHARDS, Archive, crc32
from retclip.store.crash_points import armed

ROWS, DIM = 5, 8


def vectors(seed: int = 0, rows: int = ROWS) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(rows, DIM)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def checksums(of: np.ndarray) -> np.ndarray:
    return np.array([crc32(one) for one in of.astype("<f2")])


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def read(archive: Archive, name: str, of: np.ndarray) -> np.ndarray:
    return archive.rows(name, np.arange(len(of)), checksums(of))


def test_vectors_come_back_within_float16(archive: Archive) -> None:
    written = vectors(rows=400)
    found = read(archive, archive.write(written), written)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, written, atol=6e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)  # float16 alone is off by 1e-3


def test_rows_come_in_the_order_asked_for(archive: Archive) -> None:
    written = vectors()
    asked = np.array([3, 0, 3])
    found = archive.rows(archive.write(written), asked, checksums(written[asked]))
    np.testing.assert_allclose(found, written[asked], atol=6e-4)


@dataclass(frozen=True)
class Spot:
    """A vector's place."""

    shard: str
    row_no: int
    crc32: int


def test_vectors_of_several_shards_come_in_the_order_of_their_places(archive: Archive) -> None:
    written = [vectors(seed=0), vectors(seed=1)]
    names = [archive.write(part) for part in written]
    asked = [(0, 3), (1, 0), (0, 1), (1, 0)]
    spots = [Spot(names[part], row, crc32(written[part][row].astype("<f2"))) for part, row in asked]
    wanted = np.stack([written[part][row] for part, row in asked])
    np.testing.assert_allclose(archive.vectors(spots, DIM), wanted, atol=6e-4)
    np.testing.assert_array_equal(archive.stored_vectors(spots, DIM), wanted.astype(np.float16))
    assert archive.vectors([], DIM).shape == (0, DIM)
    with pytest.raises(StoreDamaged, match="checksums"):
        archive.vectors([Spot(names[0], 3, spots[1].crc32)], DIM)


def test_a_shard_is_named_by_its_bytes(archive: Archive) -> None:
    name = archive.write(vectors())
    assert archive.path(name) == archive.folder / name[:2] / f"{name}.npy"
    assert hashlib.sha256(archive.path(name).read_bytes()).hexdigest() == name
    assert archive.write(vectors()) == name
    assert archive.write(vectors(seed=1)) != name
    assert len(archive.names()) == 2
    assert np.load(archive.path(name)).dtype == np.dtype("<f2")  # readable without this program


def test_strided_and_other_floats_are_the_same_vectors(archive: Archive) -> None:
    name = archive.write(vectors())
    assert archive.write(np.asfortranarray(vectors())) == name
    assert archive.write(np.repeat(vectors(), 2, axis=0)[::2]) == name
    assert archive.write(vectors().astype(">f4")) == name


def test_a_checksum_does_not_depend_on_the_byte_order() -> None:
    row = vectors()[0]
    assert crc32(row.astype("<f2")) == crc32(row.astype(">f2"))


def test_the_file_is_synced_before_it_has_its_name_and_the_folder_after(archive: Archive, monkeypatch) -> None:
    steps: list[str] = []

    def fsync(handle: int) -> None:
        steps.append("folder synced" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file synced")

    monkeypatch.setattr(os, "fsync", fsync)
    with armed(steps.append):
        name = archive.write(vectors())
    assert steps == ["folder synced", "file synced", "file written", "file renamed", "folder synced"], (
        "a new folder, too"
    )
    steps.clear()
    archive.path(name).unlink()
    with armed(steps.append):
        archive.write(vectors())
    assert steps == ["file synced", "file written", "file renamed", "folder synced"]


def test_no_room_is_a_store_error(archive: Archive, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_durably", full)
    with pytest.raises(StoreError, match="No space left"):
        archive.write(vectors())


def test_no_temporary_file_is_left_or_taken_for_a_shard(archive: Archive) -> None:
    name = archive.write(vectors())
    files = [one for one in archive.folder.rglob("*") if one.is_file()]
    assert files == [archive.path(name)]
    archive.path(name).with_name(f".{'0' * 64}.npy.77.tmp").write_bytes(b"left by a kill")
    assert archive.names() == {name}


def test_every_flipped_bit_is_found(archive: Archive) -> None:
    """In the header too, where numpy's parser answers with anything from TokenError to a shorter array."""
    written = vectors()
    name = archive.write(written)
    good, whole = read(archive, name, written), archive.path(name).read_bytes()
    harmless = 0
    for place in range(len(whole)):
        bytes_ = bytearray(whole)
        bytes_[place] ^= 1 << (place % 8)
        archive.path(name).write_bytes(bytes_)
        fresh = Archive(archive.folder)
        assert not fresh.verify(name)
        try:
            np.testing.assert_array_equal(read(fresh, name, written), good)
            harmless += 1  # one blank of the header for another
        except StoreDamaged as error:
            assert name in str(error)
    assert harmless < 5


@pytest.mark.parametrize("kept", [0, 1, 40, 127, 128, 128 + 2 * DIM, 128 + 2 * DIM * ROWS - 1])
def test_a_truncated_shard_is_found(archive: Archive, kept: int) -> None:
    name = archive.write(vectors())
    path = archive.path(name)
    path.write_bytes(path.read_bytes()[:kept])
    assert not archive.verify(name)
    with pytest.raises(StoreDamaged, match=name):
        read(archive, name, vectors())


def test_another_shard_under_the_name_is_found(archive: Archive) -> None:
    name, other = archive.write(vectors()), archive.write(vectors(seed=1, rows=2))
    archive.path(name).write_bytes(archive.path(other).read_bytes())
    assert not archive.verify(name)
    with pytest.raises(StoreDamaged):
        read(archive, name, vectors())  # it has fewer rows
    with pytest.raises(StoreDamaged, match="first row 1"):
        archive.rows(name, np.array([1]), checksums(vectors()[1:2]))


def test_a_missing_shard_is_found(archive: Archive) -> None:
    name = archive.write(vectors())
    archive.path(name).unlink()
    assert not archive.verify(name)
    with pytest.raises(StoreDamaged, match="No such file"):
        read(archive, name, vectors())


def test_a_pickle_is_never_loaded(archive: Archive, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "exploded",)

    name = archive.write(vectors())
    np.save(archive.path(name), np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(StoreDamaged):
        read(archive, name, vectors())
    assert not (tmp_path / "exploded").exists()


def test_writing_again_repairs(archive: Archive) -> None:
    """The error says `build again`, so building again must replace the damaged bytes, also those already open."""
    written = vectors()
    name = archive.write(written)
    whole = archive.path(name).read_bytes()
    archive.path(name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(StoreDamaged):
        read(archive, name, written)
    assert archive.write(written) == name and archive.verify(name)
    np.testing.assert_allclose(read(archive, name, written), written, atol=6e-4)


def test_few_shards_are_kept_open(archive: Archive) -> None:
    written = [vectors(seed) for seed in range(OPEN_SHARDS + 6)]
    names = [archive.write(one) for one in written]
    for name, one in zip(names, written, strict=True):
        read(archive, name, one)
        read(archive, names[0], written[0])
    assert len(archive._open) == OPEN_SHARDS
    assert names[0] in archive._open, "what is in use stays, what was used longest ago goes"
    np.testing.assert_allclose(read(archive, names[1], written[1]), written[1], atol=6e-4)
