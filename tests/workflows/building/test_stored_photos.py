"""Stored photos opened again: where they lay, in a tar, drawn anew, in another source; and what is said of those that
are not there any more."""

import io
import shutil
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image as Pillow
from sqlalchemy import insert

import retclip
from retclip.errors import DataError
from retclip.store.sql.engine import transaction
from retclip.store.sql.tables import Unit
from retclip.store.work import ledger
from retclip.types import Image
from retclip.workflows.building import stored_photos
from retclip.workflows.building.stored_photos import photos_missing_vectors

SCENES = "reference.scenes:{}?split=train&count=3&width=96&height=64"


@pytest.fixture
def memory(tmp_path):
    with retclip.open(tmp_path / "store", create=True, settings={"store": {"index": "resident"}}) as opened:
        yield opened


def looked_for(memory):
    """name -> "found", or what came instead."""
    with transaction(memory.store.engine, write=True) as connection:
        other = ledger.ensure_space(connection, retclip.types.FeatureSpace("b", "none", "none", "area-1", 4))
    answers = photos_missing_vectors(memory.store, other, memory.source)
    return {
        photo.external_id: "found" if isinstance(answer, Image) and answer.sha256 == photo.sha256 else str(answer)
        for photo, answer in answers
    }


@pytest.fixture
def gone(memory, tmp_path):
    """Two of three photos are no photos any more, and no source knows them."""
    memory.build(SCENES.format(tmp_path / "scenes"))
    for number in (1, 2):
        (tmp_path / "scenes" / f"train_0_000{number}.png").write_bytes(b"no photo" * 1000)

    with transaction(memory.store.engine, write=True) as connection:
        other = ledger.ensure_space(connection, retclip.types.FeatureSpace("b", "none", "none", "area-1", 4))
    return lambda: photos_missing_vectors(memory.store, other, lambda _: SimpleNamespace(images=lambda: iter(())))


def test_of_a_lost_photo_only_words_are_kept(gone):
    """An exception would hold its frames, and these what was read of the file."""
    answers = [answer for _, answer in gone()]
    assert [isinstance(one, Image) for one in answers] == [True, False, False]
    for one in answers[1:]:
        assert one.__traceback__ is None and one.__cause__ is None and one.__context__ is None
        assert "none of these formats" in str(one)


def test_lost_photos_are_looked_for_so_many_at_a_time(gone, monkeypatch):
    sizes, original = [], stored_photos._from_sources

    def counted(store, lost, open_source):
        sizes.append(len(lost))
        return original(store, lost, open_source)

    monkeypatch.setattr(stored_photos, "_from_sources", counted)
    together = {photo.id: str(answer) for photo, answer in gone() if isinstance(answer, DataError)}
    monkeypatch.setattr(stored_photos, "LOST_AT_ONCE", 1)
    alone = {photo.id: str(answer) for photo, answer in gone() if isinstance(answer, DataError)}
    assert alone == together and len(alone) == 2 and sizes == [2, 1, 1, 0]


def test_photos_that_lie_where_they_lay_are_found_without_their_source(memory, tmp_path, monkeypatch):
    memory.build(SCENES.format(tmp_path / "scenes"))
    monkeypatch.setattr(memory, "source", None)
    assert set(looked_for(memory).values()) == {"found"} and len(looked_for(memory)) == 3


def test_what_a_generator_drew_is_drawn_again(memory, tmp_path):
    memory.build(SCENES.format(tmp_path / "scenes"))
    (tmp_path / "scenes" / "train_0_0001.png").unlink()
    (tmp_path / "scenes" / "train_0_0002.png").write_bytes(b"no photo")
    assert set(looked_for(memory).values()) == {"found"}


def png(shade):
    buffer = io.BytesIO()
    Pillow.new("RGB", (96, 64), (shade, 90, 30)).save(buffer, format="PNG")
    return buffer.getvalue()


def pack(file, *photos):
    with tarfile.open(file, "w") as archive:
        for name, content in photos:
            for member, inside in ((f"{name}.png", content), (f"{name}.txt", b"a boat")):
                about = tarfile.TarInfo(member)
                about.size = len(inside)
                archive.addfile(about, io.BytesIO(inside))


@pytest.fixture
def packed(memory, tmp_path):
    """A store of two photos in a tar."""
    pack(tmp_path / "pairs.tar", ("a", png(10)), ("b", png(200)))
    memory.session.components.settings = memory.settings.model_copy(
        update={"build": memory.settings.build.model_copy(update={"proposer": "reference.whole_image"})}
    )
    assert memory.build(f"image-text:{tmp_path / 'pairs.tar'}?vocabulary=boat").segments == 2
    return tmp_path / "pairs.tar"


def test_a_photo_in_a_tar_is_found_through_its_source(memory, packed):
    assert looked_for(memory) == {"pairs.tar/a": "found", "pairs.tar/b": "found"}


def test_a_photo_in_a_tar_that_was_written_anew_counts_only_where_its_bytes_are_the_same(memory, packed):
    pack(packed, ("b", png(200)), ("a", png(11)), ("c", png(5)))
    found = looked_for(memory)
    assert found["pairs.tar/b"] == "found"
    assert "got another photo" in found["pairs.tar/a"] and "bring the stored one back" in found["pairs.tar/a"]


def test_a_photo_that_its_source_has_twice_is_found_once(memory, packed):
    with transaction(memory.store.engine, write=True) as connection:
        again = {"key": "k", "external_id": "pairs.tar/c", "run_id": 1, "image_id": 1, "state": "finished"}
        connection.execute(insert(Unit).values(**again))
    pack(packed, ("a", png(10)), ("b", png(200)), ("c", png(10)))
    assert looked_for(memory) == {"pairs.tar/a": "found", "pairs.tar/b": "found"}


def test_of_a_source_that_cannot_be_read_it_is_said_so(memory, packed):
    packed.write_bytes(b"no tar")
    assert all("and its source image-text:" in one and "readable tar" in one for one in looked_for(memory).values())
    packed.unlink()
    assert all("and its source image-text:" in one for one in looked_for(memory).values())


@pytest.fixture
def labelled(memory, tmp_path):
    """A store of two photos with label maps."""
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data" / "classes.txt").write_text("sky\ngrass\n")
    for stem, shade in (("a", 40), ("b", 200)):
        (tmp_path / "data" / "images" / f"{stem}.png").write_bytes(png(shade))
        Pillow.new("L", (96, 64), 1).save(tmp_path / "data" / "labels" / f"{stem}.png")
    assert memory.build(f"label-maps:{tmp_path / 'data'}").segments == 2
    return tmp_path / "data"


def test_gone_changed_and_damaged_photos_are_told_apart(memory, labelled):
    (labelled / "images" / "a.png").unlink()
    (labelled / "images" / "b.png").write_bytes(png(201))
    found = {Path(name).name: told for name, told in looked_for(memory).items()}
    assert "photos" in found["a.png"] or "No such file" in found["a.png"]
    assert "another photo" in found["b.png"]
    (labelled / "images" / "b.png").write_bytes(png(200)[:60])
    assert "whole photo" in {Path(name).name: told for name, told in looked_for(memory).items()}["b.png"]


def test_what_another_source_showed_too_is_found_there(memory, labelled, tmp_path):
    copy = shutil.copytree(labelled, tmp_path / "copy")
    assert memory.build(f"label-maps:{copy}").skipped == 2, "the same photos and annotations"
    (copy / "labels" / "a.png").unlink()
    Pillow.new("L", (96, 64), 0).save(copy / "labels" / "a.png")
    assert memory.build(f"label-maps:{copy}").images == 1
    shutil.rmtree(labelled)
    found = {Path(name).name: told for name, told in looked_for(memory).items()}
    assert found["a.png"] == "found" and found["b.png"] != "found"
