"""The frame of an annotation: turned with its photo, certain where a size says which it was, else counted."""

from dataclasses import replace

import numpy as np
import pytest

from retclip.annotated_objects import AnnotatedObjects, ObjectMask
from retclip.data.annotated_photo import AnnotatedPhoto, FrameSettings, frame_digest
from retclip.data.images import from_array
from retclip.data.orientation import turned
from retclip.errors import DataError
from retclip.passed_over import TURNED_STORED, TURNED_UPRIGHT
from retclip.regions import Point, Region
from retclip.types import PanopticSegmentation, SegmentInfo

STORED = np.arange(24, dtype=np.uint8).reshape(4, 6)


def photo(orientation=1, frame="upright", stored=STORED):
    return AnnotatedPhoto(replace(from_array(turned(stored, orientation), "a.jpg"), orientation=orientation), frame)


def annotated(reading):
    marked = np.zeros(reading.size, np.int32)
    marked[0, 0] = 1
    objects = AnnotatedObjects((ObjectMask.of(marked > 0, "fox"),))
    return reading.annotated(PanopticSegmentation(marked, (SegmentInfo(1, "fox", True, 1),), objects=objects))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("frame", ["upright", "stored"])
def test_an_annotation_lies_on_the_pixels_it_was_made_on(orientation, frame):
    reading = photo(orientation, frame)
    assert reading.size == (STORED.shape if frame == "stored" else reading.image.size)
    image = annotated(reading)
    (where,) = np.argwhere(image.truth.label_map)
    first = STORED[0, 0] if frame == "stored" else image.pixels[0, 0, 0]
    assert image.pixels[tuple(where)][0] == first and image.truth.label_map.shape == image.size
    assert np.array_equal(image.truth.objects.objects[0].mask(), image.truth.label_map > 0)
    told = {} if orientation == 1 else {TURNED_STORED if frame == "stored" else TURNED_UPRIGHT: 1}
    assert image.passed_over.assumed == told


@pytest.mark.parametrize(
    ("orientation", "stored", "certain"),
    [(6, STORED, True), (8, STORED, True), (3, STORED, False), (2, STORED, False), (6, STORED[:, :4], False)],
)
def test_a_size_makes_certain_where_the_frames_differ_in_size(orientation, stored, certain):
    reading = photo(orientation, stored=stored)
    assert reading.fits(reading.size)
    assert (not annotated(reading).passed_over.assumed) is certain


def test_a_size_that_does_not_fit_makes_nothing_certain_and_says_the_cure():
    for frame, other in (("upright", "stored"), ("stored", "upright")):
        reading = photo(6, frame)
        assert not reading.fits(reading.size[::-1])
        assert reading.cure(reading.size[::-1], "x").endswith(f"set orientation={other}")
        assert reading.cure((9, 9), "x") == "x" == photo(3, frame).cure((6, 4), "x")
        assert annotated(reading).passed_over.assumed


COPIES = [((40, 60), True), ((80, 120), True), ((41, 60), True), ((27, 40), True), ((60, 60), False), ((60, 40), False)]


@pytest.mark.parametrize(("size", "fits"), COPIES)
def test_the_shape_of_a_copy(size, fits):
    large = np.zeros((400, 600), np.uint8)
    assert photo(stored=large).fits_shape(size) is fits
    turned_photo = photo(6, stored=large)
    assert turned_photo.fits_shape(size[::-1]) is fits
    assert bool(annotated(turned_photo).passed_over.assumed) is not fits
    assert photo(6, stored=large).cure_shape((40, 60), "x").endswith("set orientation=stored")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_region_of_the_stored_pixels_lies_on_the_same_pixels_upright(orientation):
    reading = photo(orientation, "stored")
    region = reading.upright_region(Region("fox", (1, 1, 3, 2), (Point(5, 0), Point(0, 3, positive=False))))
    x0, y0, x1, y1 = map(int, region.box)
    assert sorted(reading.image.pixels[y0:y1, x0:x1, 0].ravel()) == [7, 8]
    assert [reading.image.pixels[int(one.y), int(one.x), 0] for one in region.points] == [5, 18]
    assert [one.positive for one in region.points] == [True, False]
    assert photo(orientation).upright_region(region) is region


def test_an_object_that_cannot_be_read_is_listed_with_its_photo():
    reading = photo()
    reading.fault("annotation 3", DataError("a", "b", "c"))
    (part,) = annotated(reading).passed_over.bad
    assert (part.record, part.uri) == ("annotation 3", "a.jpg") and "expected a" in part.reason


def test_the_default_leaves_digests_as_they_were():
    assert FrameSettings().orientation == "upright" and frame_digest("upright") == [] != frame_digest("stored")
