"""A byte per pixel: components of things, small ones void, stuff whole."""

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.images import from_array
from retclip.data.readers.label_maps.label_map_source import LabelMapSettings, LabelMapSource
from retclip.data.readers.label_maps.map_pairs import Pairs
from retclip.passed_over import PassedOver
from retclip.plugin.contracts import SourceClass


def photo_of(height, width):
    return AnnotatedPhoto(from_array(np.zeros((height, width), np.uint8)), "upright")


def truth(tmp_path, photo=None, **settings):
    photo = photo or photo_of(2, 4)
    known = [SourceClass("sky", False, native_id=0), SourceClass("car", True, native_id=1)]
    Pillow.fromarray(np.array([[1, 0, 1, 1], [0, 0, 1, 9]], np.uint8)).save(tmp_path / "a.png")
    source = LabelMapSource("x", tmp_path, known, 9, Pairs(()), LabelMapSettings(path="x", **settings))
    found = source.truth(tmp_path / "a.png", photo)
    return found.label_map.tolist(), [(one.class_name, one.area) for one in found.segments]


def test_touching_pixels_of_a_thing_are_one_segment(tmp_path):
    assert truth(tmp_path) == ([[2, 1, 3, 3], [1, 1, 3, 0]], [("sky", 3), ("car", 1), ("car", 3)])
    assert truth(tmp_path, components=False) == ([[2, 1, 2, 2], [1, 1, 2, 0]], [("sky", 3), ("car", 4)])
    assert truth(tmp_path, min_area=2) == ([[0, 1, 2, 2], [1, 1, 2, 0]], [("sky", 3), ("car", 3)])


def test_each_of_many_specks_gets_its_place(tmp_path, monkeypatch):
    """Their number may not multiply the time: pixels are compared with the class, not with each component."""
    pixels = np.zeros((60, 60), np.uint8)
    pixels[::2, ::2] = 1
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    label, compared = ndimage.label, []

    class Watched(np.ndarray):
        def __eq__(self, other):
            compared.append(other)
            return np.asarray(self) == other

    def watched(*args, **named):
        parts, count = label(*args, **named)
        return parts.view(Watched), count

    monkeypatch.setattr(ndimage, "label", watched)
    known = [SourceClass("sky", False, native_id=0), SourceClass("car", True, native_id=1)]
    found = LabelMapSource("x", tmp_path, known, 9, Pairs(()), LabelMapSettings(path="x")).truth(
        tmp_path / "a.png", photo_of(60, 60)
    )
    assert len(found.segments) == 901 and {one.area for one in found.segments[1:]} == {1}
    assert np.array_equal(np.asarray(found.label_map)[::2, ::2].ravel(), np.arange(2, 902)) and not compared


def test_small_components_are_counted(tmp_path):
    photo = photo_of(2, 4)
    truth(tmp_path, photo, min_area=2)
    assert photo.tally.total.counts == {"components below min_area": 1}


def read(tmp_path, pixels, void=None, ids=(0, 1)):
    photo = photo_of(1, len(pixels))
    Pillow.fromarray(np.array([pixels], np.uint8)).save(tmp_path / "b.png")
    known = [SourceClass(f"class {number}", False, native_id=number) for number in ids]
    source = LabelMapSource("x", tmp_path, known, void, Pairs(()), LabelMapSettings(path="x"))
    return source.truth(tmp_path / "b.png", photo).label_map.tolist()[0], photo.tally.total


def test_255_is_void_where_nobody_says_otherwise(tmp_path):
    assert read(tmp_path, [0, 1, 255]) == ([1, 2, 0], PassedOver())
    assert read(tmp_path, [255, 255]) == ([0, 0], PassedOver())
    assert read(tmp_path, [0, 255], ids=(0, 255)) == ([1, 2], PassedOver())
    found, told = read(tmp_path, [0, 7, 255], void=7)
    assert found == [1, 0, 0] and "`void_id` in classes.json" in told.bad[0].reason


def test_an_id_that_the_list_lacks_costs_its_pixels_and_such_ids_alone_the_photo(tmp_path, refused):
    found, told = read(tmp_path, [0, 5, 1, 6, 5])
    assert found == [1, 0, 2, 0, 0]
    assert [part.record for part in told.bad] == [f"id {number} of {tmp_path / 'b.png'}" for number in (5, 6)]
    refused(lambda: read(tmp_path, [5, 6, 255]), "b.png", "complete the class list")


def listed(tmp_path, pixels, void=None):
    """What a listing says of a map's classes."""
    Pillow.fromarray(np.zeros((1, 3, 3), np.uint8)).save(tmp_path / "photo.png")
    Pillow.fromarray(np.array(pixels, np.uint8)).save(tmp_path / "map.png")
    known = [SourceClass("sky", False, native_id=0), SourceClass("car", True, native_id=1)]
    pairs = Pairs(((tmp_path / "photo.png", tmp_path / "map.png"),))
    return next(LabelMapSource("x", tmp_path, known, void, pairs, LabelMapSettings(path="x")).images())


@pytest.mark.parametrize(("void", "pixels"), [(None, [[5, 6, 255]]), (9, [[255, 9, 255]]), (0, [[7, 0, 0]])])
def test_a_map_of_unknown_ids_alone_is_no_photo_without_classes(tmp_path, refused, void, pixels):
    """A listing that said "no class" would let a build pass the photo over in silence."""
    record = listed(tmp_path, pixels, void)
    assert record.class_names is None
    refused(record.load, "map.png", "complete the class list")


def test_a_map_of_void_alone_shows_no_class_and_one_of_colours_cannot_be_read(tmp_path, refused):
    assert listed(tmp_path, [[255, 255, 255]]).class_names == ()
    assert listed(tmp_path, [[9, 9, 9]], void=9).class_names == ()
    assert listed(tmp_path, [[0, 9, 5]], void=9).class_names == ("sky",)
    colours = listed(tmp_path, [[(128, 64, 64)] * 3])
    assert colours.class_names is None
    refused(colours.load, "map.png", "8-bit grey")
