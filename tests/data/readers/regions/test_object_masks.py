"""An object's mask: polygons and run lengths give the same pixels, of the photo's size."""

import numpy as np
import pytest

from retclip.data.annotated_photo import AnnotatedPhoto
from retclip.data.images import from_array
from retclip.data.readers.regions.object_masks import read_mask
from retclip.data.rle import encode
from retclip.errors import DataError
from retclip.passed_over import CUT


def photo(height, width):
    return AnnotatedPhoto(from_array(np.zeros((height, width), np.uint8)), "upright")


PHOTO = photo(8, 10)


def test_polygons_and_run_lengths_agree():
    square = np.zeros((8, 10), bool)
    square[1:6, 2:7] = True
    corners = [[2, 1, 7, 1, 7, 6, 2, 6]]
    assert np.array_equal(read_mask(corners, PHOTO, "x"), square)
    assert np.array_equal(read_mask(encode(square), PHOTO, "x"), square)
    assert np.array_equal(read_mask([*corners, [0, 7, 1, 7, 1, 8, 0, 8]], PHOTO, "x").nonzero()[0][-1:], [7])
    runs = {"size": [2, 3], "counts": [1, 2, 3]}
    assert read_mask(runs, photo(2, 3), "x").tolist() == [[False, True, False], [True, False, False]]


def test_a_mask_of_another_size_names_its_record():
    with pytest.raises(DataError, match="annotation 4"):
        read_mask(encode(np.ones((3, 3), bool)), PHOTO, "annotation 4")


@pytest.mark.parametrize(("out", "count"), [(0, 0), (1, 0), (1.5, 1), (40, 1)])
def test_an_object_that_reaches_out_of_its_photo_is_cut_and_counted(out, count):
    for corners in ([2, 1, 10 + out, 1, 10 + out, 6, 2, 6], [-out, 1, 10, 1, 10, 6, -out, 6],
                    [2, -out, 10, -out, 10, 6], [2, 1, 10, 8 + out, 2, 8 + out]):  # fmt: skip
        reading = photo(8, 10)
        mask = read_mask([corners, [1, 1, 4, 1, 4, 4]], reading, "x")
        assert mask.shape == (8, 10) and mask.any()
        assert reading.tally.total.counts == ({CUT: 1} if count else {})
