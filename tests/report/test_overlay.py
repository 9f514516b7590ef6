"""The overlay: the photo's size with a legend below, void untouched, borders crisp, names written inside."""

import numpy as np
import pytest

from retclip.report.overlay import overlay
from retclip.report.palette import colour
from retclip.types import PanopticSegmentation, SegmentInfo


def halves(height=120, width=200, left="sky", right="grass"):
    """Void on top, one segment at the lower left, one at the lower right."""
    label_map = np.zeros((height, width), dtype=np.int32)
    label_map[height // 3 :, : width // 2] = 1
    label_map[height // 3 :, width // 2 :] = 7
    infos = [SegmentInfo(i, name, False, int((label_map == i).sum())) for i, name in ((1, left), (7, right))]
    return PanopticSegmentation(label_map, tuple(infos))


def photo(height=120, width=200, seed=0):
    return np.random.default_rng(seed).integers(90, 110, (height, width, 3)).astype(np.uint8)


def test_the_photo_keeps_its_size_and_the_legend_stands_below():
    pixels = photo()
    before = pixels.copy()
    sheet = overlay(pixels, halves())
    assert sheet.shape[0] > 120
    assert sheet.shape[1:] == (200, 3)
    assert sheet.dtype == np.uint8
    assert (pixels == before).all()


def test_void_is_left_as_it_was():
    pixels, result = photo(), halves()
    sheet = overlay(pixels, result)
    assert (sheet[:39] == pixels[:39]).all()  # row 39 is the border to the segments below


def test_the_rest_is_the_photo_mixed_with_the_class_colour():
    pixels, result = photo(), halves()
    sheet = overlay(pixels, result, alpha=0.25)
    for x, name in ((3, "sky"), (196, "grass")):
        wanted = 0.75 * pixels[115, x] + 0.25 * np.array(colour(name))
        assert sheet[115, x] == pytest.approx(wanted, abs=1)


def test_a_class_has_one_colour_in_all_pictures_and_in_the_legend():
    first = overlay(photo(), halves(left="sky", right="grass"), alpha=1.0)
    second = overlay(photo(seed=1), halves(left="car", right="sky"), alpha=1.0)
    assert (first[115, 3] == colour("sky")).all()
    assert (second[115, 196] == colour("sky")).all()
    for sheet, names in ((first, ("sky", "grass")), (second, ("car", "sky"))):
        legend = sheet[120:].reshape(-1, 3)
        for name in names:
            assert (legend == colour(name)).all(axis=1).sum() >= 100, name


def test_borders_between_segments_are_drawn():
    sheet = overlay(photo(), halves())
    assert (sheet[110:120, 99] == 255).all()
    assert (sheet[39] == 255).all()


def test_names_are_written_inside_their_own_segments():
    pixels, result = photo(), halves(left="mountain", right="water")
    named = overlay(pixels, result, alpha=0.0)
    for number in (1, 7):
        inside = result.label_map == number
        dark = (named[:120].max(axis=2) < 40) & inside  # the photo has no pixel below 90
        assert dark.sum() > 60
        assert ((named[:120].min(axis=2) > 150) & inside).sum() > 60  # letters, with their smoothed edges
    outside = named[:39] != pixels[:39]
    assert not outside.any()


def test_a_segment_too_small_for_its_name_gets_none_but_stands_in_the_legend():
    label_map = np.zeros((120, 200), dtype=np.int32)
    label_map[50:60, 50:60] = 1
    tiny = PanopticSegmentation(label_map, (SegmentInfo(1, "ball", True, 100),))
    sheet = overlay(photo(), tiny, alpha=0.0)
    assert sheet[:120].min() >= 90  # no dark outline anywhere
    assert (sheet[120:].reshape(-1, 3) == colour("ball")).all(axis=1).any()


def test_the_legend_breaks_into_lines_and_no_line_leaves_the_picture():
    label_map = np.repeat(np.arange(1, 13, dtype=np.int32), 10)[None].repeat(60, axis=0)
    infos = tuple(SegmentInfo(i, f"a long class name {i}", True, 600) for i in range(1, 13))
    result = PanopticSegmentation(label_map, infos)
    sheet = overlay(photo(60, 120), result)
    legend = sheet[60:].reshape(-1, 3)
    assert all((legend == colour(one.class_name)).all(axis=1).any() for one in infos)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2)])
def test_strange_sizes_and_an_empty_result_are_drawn(size):
    empty = PanopticSegmentation(np.zeros(size, dtype=np.int32), ())
    assert (overlay(photo(*size), empty) == photo(*size)).all()
    full = PanopticSegmentation(np.ones(size, dtype=np.int32), (SegmentInfo(1, "sky", False, size[0] * size[1]),))
    assert overlay(photo(*size), full).shape[1] == size[1]
