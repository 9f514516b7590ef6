"""JPEGs that were cut, with and without a mark of the end behind the cut."""

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.images import decode
from retclip.errors import DataError

GREY = np.full((96, 120, 3), 128, np.uint8)
END = b"\xff\xd9"


def jpeg(pixels, mode="RGB", **options):
    buffer = io.BytesIO()
    Pillow.fromarray(pixels).convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def noise():
    return np.random.default_rng(0).integers(0, 256, GREY.shape, dtype=np.uint8)


@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_a_cut_jpeg_with_an_end_is_refused_as_one_without(options, mode, share):
    whole = jpeg(noise(), mode, **options)
    cut = whole[: int(len(whole) * share)].rstrip(b"\xff")
    decode(whole, "whole")
    for content in (cut, cut + END):
        with pytest.raises(DataError, match="a whole photo: cut"):
            decode(content, "cut")


@pytest.mark.parametrize("behind", [b"", b"a film of the moment"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
def test_a_whole_photo_of_grey_is_read(options, mode, behind):
    bordered = noise()
    bordered[40:] = 128
    for pixels in (GREY, bordered):
        assert decode(jpeg(pixels, mode, **options) + behind, "grey").pixels.shape == GREY.shape
