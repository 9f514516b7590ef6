"""Photos and maps of equal names: pairs in order, and a digest that hangs on all that decides what a map means."""

import numpy as np
import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from retclip.data import file_bytes
from retclip.data.file_memory import remembering
from retclip.data.images import read_png
from retclip.data.readers.label_maps.map_pairs import MapPairs, MapSettings, matched_pairs
from retclip.errors import DataError
from retclip.limits import Limits
from retclip.passed_over import TURNED_STORED, TURNED_UPRIGHT
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo


class Whole(MapPairs):
    """Every map is one fox."""

    meaning = 1

    def truth(self, file, photo):
        return PanopticSegmentation(np.ones((4, 6), np.int32), (SegmentInfo(1, "fox", True, 24),))

    def numbers(self, file):
        return {7}

    def reading(self):
        return self.meaning


@pytest.fixture
def folder(tmp_path):
    for place in ("photos", "maps"):
        (tmp_path / place).mkdir()
        for name in "ba":
            Pillow.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / place / f"{name}.png")
    return tmp_path


def opened(folder, known=(SourceClass("fox", True, native_id=7),), **settings):
    pairs = matched_pairs(folder / "photos", folder / "maps")
    return Whole("x", folder / "photos", known, pairs, MapSettings(path="x", **settings))


def test_pairs_come_by_name_with_their_classes_and_annotation(folder):
    found = list(opened(folder).images())
    assert [(one.external_id, one.class_names) for one in found] == [("a.png", ("fox",)), ("b.png", ("fox",))]
    assert found[0].load().truth.segments[0].class_name == "fox"


def test_the_digest_changes_with_the_map_the_classes_and_the_reading(folder, monkeypatch):
    digests = {next(opened(folder).images()).annotation_digest}
    digests.add(next(opened(folder, [SourceClass("fox", False, native_id=7)]).images()).annotation_digest)
    monkeypatch.setattr(Whole, "meaning", 2)
    digests.add(next(opened(folder).images()).annotation_digest)
    Pillow.fromarray(np.ones((4, 6, 3), np.uint8)).save(folder / "maps" / "a.png")
    digests.add(next(opened(folder).images()).annotation_digest)
    assert len(digests) == 4


def test_a_map_that_a_limit_refused_is_read_when_the_limit_is_raised(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(file_bytes, "SETTLED", -1.0)  # files of a test are young
    reads = []

    class Map(Whole):
        def numbers(self, file):
            reads.append(file)
            return {7} if read_png(file).any() else {7, 8}

    def answers():
        pairs = matched_pairs(folder / "photos", folder / "maps")
        source = Map("x", folder / "photos", [SourceClass("fox", True, native_id=7)], pairs, MapSettings(path="x"))
        return [(one.class_names, one.annotation_digest) for one in source.images()]

    without = answers()
    with remembering(tmp_path / "memory"):
        with monkeypatch.context() as patch:
            patch.setattr("retclip.data.images.current", lambda: Limits(image_pixels=10))
            refused = answers()
        assert refused == [(None, digest) for _, digest in without]
        assert answers() == without
        reads.clear()
        assert answers() == without and not reads, "what could be read is remembered"


def test_a_photo_without_a_map_costs_that_photo(folder):
    (folder / "maps" / "b.png").unlink()
    first, second = opened(folder).images()
    assert first.load().truth and second.class_names is None
    with pytest.raises(DataError, match=r"b\.png"):
        second.load()
    (folder / "maps" / "a.png").unlink()
    with pytest.raises(DataError, match=r"2 photos without one, first a\.png"):
        opened(folder)


def test_a_map_of_two_photos_is_neither_s_and_what_lies_beside_is_counted(folder):
    Pillow.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / "photos" / "a.bmp")
    Pillow.fromarray(np.zeros((4, 6), np.uint8)).save(folder / "maps" / "c.png")
    (folder / "photos" / "d.heic").touch()
    source = opened(folder)
    fate = {}
    for record in source.images():
        try:
            fate[record.external_id] = "read" if record.load().truth else "without"
        except DataError as error:
            fate[record.external_id] = error.got.partition(",")[0]
            assert record.annotation_digest == "unreadable"
    assert fate == {"a.bmp": "2 of that name", "a.png": "2 of that name", "b.png": "read"}
    assert source.passed_over().counts == {"files that are not read (.heic)": 1, "maps without a photo": 1}


def test_two_maps_of_one_photo_are_told_and_cost_the_photo(folder):
    for name in ("a.tif", "b.PNG", "readme.txt"):
        Pillow.fromarray(np.ones((4, 6), np.uint8)).save(folder / "maps" / name, format="png")
    with pytest.raises(DataError, match=r"a\.png and a\.tif"):
        opened(folder)
    (folder / "maps" / "b.PNG").unlink()
    first, second = opened(folder).images()
    assert first.class_names is None and second.load().truth
    with pytest.raises(DataError, match=r"a\.png and a\.tif; remove one"):
        first.load()
    assert opened(folder).passed_over().counts == {"files that are not read (.txt)": 1}


def test_a_map_that_is_no_png_is_told_and_folders_below_are_counted(folder):
    (folder / "maps" / "a.png").rename(folder / "maps" / "a.tif")
    for place in ("photos", "maps"):
        (folder / place / "below").mkdir()
    source = opened(folder)
    with pytest.raises(DataError, match=r"a PNG map.*a\.tif; save it as a PNG"):
        next(source.images()).load()
    assert source.passed_over().counts == {"folders below, which are not read": 2}


def test_names_composed_or_not_are_one(folder):
    (folder / "photos" / "a.png").rename(folder / "photos" / "\u00e9.png")
    (folder / "maps" / "a.png").rename(folder / "maps" / "e\u0301.png")
    assert all(record.load().truth for record in opened(folder).images())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_map_made_on_the_stored_pixels_is_turned_with_its_photo(folder, orientation):
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = np.zeros((4, 6, 3), np.uint8)
    stored[0, 0] = 255
    for path in folder.glob("*/*.png"):
        path.unlink()
    Pillow.fromarray(stored).save(folder / "photos" / "a.png", exif=exif)
    Pillow.fromarray(stored[..., 0]).save(folder / "maps" / "a.png")

    class Map(Whole):
        def truth(self, file, photo):
            return PanopticSegmentation((read_png(file) > 0).astype(np.int32), (SegmentInfo(1, "fox", True, 1),))

    def image(frame):
        pairs = matched_pairs(folder / "photos", folder / "maps")
        known = [SourceClass("fox", True, native_id=7)]
        settings = MapSettings(path="x", orientation=frame)
        return next(Map("x", folder / "photos", known, pairs, settings).images()).load()

    right = image("stored")
    assert np.array_equal(right.truth.label_map == 1, right.pixels[..., 0] == 255)
    assert right.passed_over.assumed == ({TURNED_STORED: 1} if orientation in (2, 3, 4) else {})
    if orientation >= 5:  # the sizes say which it was
        with pytest.raises(DataError, match="orientation=stored"):
            image("upright")
    else:
        assert image("upright").passed_over.assumed == ({TURNED_UPRIGHT: 1} if orientation > 1 else {})
