"""Photos that two sources share: the same file, one that looks alike, and a stored one that is gone."""

import numpy as np
import pytest

from retclip.data.images import from_array
from retclip.errors import DataError
from retclip.store.records import ListedPhoto
from retclip.workflows.audit.hashed_photos import HashedPhotos
from retclip.workflows.audit.shared_photos import Group, require_apart, shared_photos


def group(name, pictures, gone=None):
    hashed = HashedPhotos()
    for number, pixels in enumerate(pictures):
        image = from_array(pixels)
        hashed.add(ListedPhoto(number, f"{name}{number}", name, "", image.sha256, 0), image.pixels)
    return Group(name, hashed, gone or {})


def picture(seed):
    rough = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return rough.repeat(12, axis=0).repeat(12, axis=1)


def test_the_same_file_a_mirror_image_and_one_that_is_gone():
    known = group("known", [picture(1), picture(2)], {from_array(picture(5)).sha256: "old"})
    asked = group("asked", [picture(1), picture(2)[:, ::-1], picture(3), picture(5)])
    words = shared_photos(known, asked, bits=24)
    assert words[0] == "asked0 (the same file as known0)"
    assert words[1].startswith("asked1 (like known1, ") and words[1].endswith("bits apart)")
    assert words[2:] == ["asked3 (the same file as old)"]
    assert shared_photos(known, group("asked", [picture(3)]), bits=24) == []


def test_without_a_store_the_two_sources_alone_are_compared(memory, built):
    photos = memory.source(built.source)
    with pytest.raises(DataError, match=r"6 of the photos to tune on .* are in the held-out photos .* and 1 more"):
        require_apart(None, photos, photos)
    other = memory.source(built.source.replace("split=train", "split=val"))
    require_apart(None, photos, other, bits=0)
    with pytest.raises(DataError, match=r"are in the store.*--bits 0"):
        require_apart(memory.store, photos, other, bits=0)
