"""Photos that were encoded again, resized, mirrored or cropped are found, others are not; leakage is named."""

import numpy as np
import pytest
from PIL import Image as Pillow

import retclip

CHANGES = {
    "encoded": lambda photo: photo,
    "resized": lambda photo: photo.resize((photo.width // 2, photo.height // 2)),
    "mirrored": lambda photo: photo.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT),
    "cropped": lambda photo: photo.crop((6, 4, photo.width - 6, photo.height - 4)),
}


def photo(seed):
    """A picture of smooth random shapes, (160, 240)."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return Pillow.fromarray(coarse).resize((240, 160), Pillow.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Six photos, whole, of two classes; read it only."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(6):
        folder = root / ("cat" if number % 2 else "sky")
        folder.mkdir(exist_ok=True)
        photo(number).save(folder / f"{number}.png")
    settings = {"build": {"proposer": "reference.whole_image"}}
    with retclip.open(root / "store", settings=settings, create=True) as memory:
        for name in ("cat", "sky"):
            memory.classes.add(name, str(root / name), thing=False)
    return root / "store"


@pytest.fixture
def memory(store):
    with retclip.open(store, settings={"store": {"index": "resident"}}) as opened:
        yield opened


@pytest.mark.parametrize("change", CHANGES)
def test_changed_photos_are_found_in_the_store_and_others_are_not(memory, tmp_path, change):
    for number in range(3):
        CHANGES[change](photo(number)).save(tmp_path / f"changed{number}.jpg", quality=60)
    for number in range(100, 104):
        photo(number).save(tmp_path / f"new{number}.png")
    found = memory.audit.duplicates(against=memory.source(str(tmp_path)))
    assert [one.external_id for one in found.leaked] == ["changed0.jpg", "changed1.jpg", "changed2.jpg"]
    assert {(pair.first.external_id[:1], pair.second.external_id[7:8]) for pair in found.photos} == {
        ("0", "0"), ("1", "1"), ("2", "2")
    }  # fmt: skip
    assert (found.compared, found.other, found.gone, found.unusable) == (6, 7, 0, 0)
    assert all(pair.mirrored == (change == "mirrored") and not pair.same_file for pair in found.photos)


def test_the_same_file_is_told_as_such_and_a_broken_one_is_counted(memory, store, tmp_path):
    (tmp_path / "same.png").write_bytes((store.parent / "sky" / "0.png").read_bytes())
    (tmp_path / "broken.png").write_bytes(b"no photo")
    found = memory.audit.duplicates(against=memory.source(str(tmp_path)))
    assert [one.external_id for one in found.leaked] == ["same.png"]
    assert found.photos[0].same_file and found.unusable == 1


def test_alike_photos_and_segments_within_the_store(memory, store, tmp_path):
    assert memory.audit.duplicates().photos == () and memory.audit.duplicates().segments == ()
    every = memory.audit.duplicates(bits=128, within=2.0)
    assert len(every.photos) == 15 and len(every.segments) == 5  # each pair once; all but the first have an earlier one
    assert [pair.bits for pair in every.photos] == sorted(pair.bits for pair in every.photos)
    assert len(memory.audit.duplicates(bits=128, within=2.0, limit=2).segments) == 2


def test_photos_that_are_gone_are_counted(store, tmp_path):
    import shutil

    copy = shutil.copytree(store, tmp_path / "store")
    place = store.parent / "sky" / "0.png"
    content = place.read_bytes()
    place.write_bytes(b"something else")
    try:
        with retclip.open(copy, settings={"store": {"index": "resident"}}) as memory:
            found = memory.audit.duplicates()
        assert (found.compared, found.gone) == (5, 1)
    finally:
        place.write_bytes(content)
