"""The overlay: of the photo's size, with or without a legend; void untouched, segments in their class's colour."""

import itertools
import random
import tracemalloc

import numpy as np
import pytest
from PIL import Image, ImageDraw
from skimage.color import deltaE_ciede2000, rgb2lab

from retclip.report import overlay as module
from retclip.report.overlay import overlay
from retclip.report.palette import class_colours
from retclip.types import PanopticSegmentation, SegmentInfo


def colour(name, names=()):
    return class_colours([*names, name])[name]


def difference(one, other):
    """CIEDE2000 of two colours in 0..255."""
    first, second = (rgb2lab(np.array([[each]]) / 255.0) for each in (one, other))
    return float(deltaE_ciede2000(first, second)[0, 0])


def halves(height=120, width=200, left="sky", right="grass"):
    """Void on top, one segment at the lower left, one at the lower right."""
    label_map = np.zeros((height, width), dtype=np.int32)
    label_map[height // 3 :, : width // 2] = 1
    label_map[height // 3 :, width // 2 :] = 7
    infos = [SegmentInfo(i, name, False, int((label_map == i).sum())) for i, name in ((1, left), (7, right))]
    return PanopticSegmentation(label_map, tuple(infos))


def columns(names, width=40, height=120):
    """A segment per name, side by side."""
    label_map = np.repeat(np.arange(1, len(names) + 1, dtype=np.int32), width)[None].repeat(height, axis=0)
    infos = [SegmentInfo(n, name, True, width * height) for n, name in enumerate(names, 1)]
    return PanopticSegmentation(label_map, tuple(infos))


def photo(height=120, width=200, seed=0, low=90, high=110):
    return np.random.default_rng(seed).integers(low, high, (height, width, 3)).astype(np.uint8)


@pytest.fixture
def patches(monkeypatch):
    """The colours of the legend's patches, in its order."""
    drawn = []
    original = ImageDraw.ImageDraw.rectangle

    def rectangle(self, place, fill=None, **options):
        drawn.append(fill)
        return original(self, place, fill=fill, **options)

    monkeypatch.setattr(ImageDraw.ImageDraw, "rectangle", rectangle)
    return drawn


def inside(result, number, sheet):
    """The pixels of a segment that neither borders nor names cover: those of its colour's own hue."""
    ids = result.label_map
    rows, cols = np.nonzero(ids == number)
    margin = (rows > rows.min() + 2) & (rows < rows.max() - 2) & (cols > cols.min() + 2) & (cols < cols.max() - 2)
    values = sheet[rows[margin], cols[margin]]
    near_border_or_text = (values.min(1) > 235) | (values.max(1) < 45)
    return values[~near_border_or_text]


def test_the_photo_keeps_its_size_and_the_legend_stands_below():
    pixels = photo()
    before = pixels.copy()
    sheet, plain = overlay(pixels, halves()), overlay(pixels, halves(), legend=False)
    assert sheet.shape[0] > 120
    assert sheet.shape[1:] == (200, 3)
    assert plain.shape == pixels.shape
    assert (sheet[:120] == plain).all()
    assert sheet.dtype == plain.dtype == np.uint8
    assert (pixels == before).all()


def test_void_is_left_as_it_was():
    pixels, result = photo(), halves()
    sheet = overlay(pixels, result)
    assert (sheet[:39] == pixels[:39]).all()  # row 39 is the border to the segments below


def test_a_segment_has_its_class_s_colour_with_the_photo_s_light_and_shade_on_it():
    pixels, result = photo(), halves()
    sheet = overlay(pixels, result, alpha=0.25)
    grey = pixels @ np.array([0.299, 0.587, 0.114])
    for x, number, name in ((3, 1, "sky"), (196, 7, "grass")):
        mean = grey[result.label_map == number].mean()
        wanted = np.array(colour(name, ("sky", "grass"))) + 0.75 * (grey[115, x] - mean)
        assert sheet[115, x] == pytest.approx(wanted, abs=1)


@pytest.mark.parametrize(("low", "high"), [(0, 20), (90, 110), (230, 255)])
def test_whatever_the_photo_shows_a_segment_has_its_class_s_colour_on_average(low, high):
    pixels, result = photo(low=low, high=high), halves()
    sheet = overlay(pixels, result, legend=False)
    for number, name in ((1, "sky"), (7, "grass")):
        assert inside(result, number, sheet).mean(0) == pytest.approx(colour(name, ("sky", "grass")), abs=6)


def test_the_patch_in_the_legend_has_the_colour_of_the_area_as_it_is_painted(patches):
    """Also where the photo's contrast leaves the range of a colour, so that its area gets another mean."""
    pixels, result = photo(low=0, high=255), halves(left="car", right="snow")
    sheet = overlay(pixels, result, alpha=0.0)
    assert len(patches) == 3 and patches[2] is None  # unlabelled
    for number, patch in ((1, patches[0]), (7, patches[1])):
        ids = result.label_map == number
        ids[40, :] = ids[:, 99:101] = False
        painted = module._painted(pixels, result.label_map, _colours(result), 0.0)[ids].mean(0)
        assert patch == pytest.approx(painted, abs=1.5)
        assert (sheet[120:].reshape(-1, 3) == patch).all(axis=1).sum() >= 100
    assert difference(patches[0], colour("car", ("car", "snow"))) > 2  # it is the area that counts


def _colours(result):
    lookup = np.zeros((8, 3), dtype=np.float32)
    names = [one.class_name for one in result.segments]
    for one in result.segments:
        lookup[one.id] = colour(one.class_name, names)
    return lookup


def test_up_to_forty_classes_can_be_told_apart_as_they_are_painted(patches):
    names = random.Random(1).sample([f"thing {n}" for n in range(99)] + ["sky", "grass", "road", "water", "tree"], 40)
    result = columns(names)
    overlay(photo(120, 1600, low=70, high=180), result, names=names)
    assert len(patches) == 40
    assert min(difference(*pair) for pair in itertools.combinations(patches, 2)) >= 15


def test_the_instances_of_a_class_wear_shades_of_its_colour():
    result = columns(["ball"] * 5 + ["kite"])
    flat = np.full((120, 240, 3), 128, dtype=np.uint8)
    sheet = overlay(flat, result, legend=False)
    shades = [tuple(sheet[2, 40 * n + 3].tolist()) for n in range(5)]
    assert len(set(shades)) == 5
    own, other = colour("ball", ("kite",)), colour("kite", ("ball",))
    assert shades[0] == own
    assert all(difference(one, own) < 7.5 and difference(one, own) < difference(one, other) for one in shades)


def test_a_class_has_one_colour_in_all_pictures_of_a_vocabulary():
    names = ["sky", "grass", "car", "boat", "kite"]
    flat = np.full((120, 200, 3), 128, dtype=np.uint8)
    first = overlay(flat, halves(left="boat", right="grass"), names=names)
    second = overlay(flat, halves(left="kite", right="boat"), names=reversed(names))
    assert tuple(first[115, 3]) == tuple(second[115, 196]) == colour("boat", names)


def test_borders_between_segments_are_drawn():
    sheet = overlay(photo(), halves())
    assert (sheet[110:120, 99] == 255).all()
    assert (sheet[39] == 255).all()


def test_names_are_written_inside_their_own_segments():
    pixels, result = photo(), halves(left="mountain", right="sand")
    named = overlay(pixels, result, alpha=1.0)
    for number in (1, 7):
        within = result.label_map == number
        dark = (named[:120].max(axis=2) < 40) & within  # neither colour has a channel below 40 throughout
        assert dark.sum() > 60
    outside = named[:39] != pixels[:39]
    assert not outside.any()


def test_a_segment_too_small_for_its_name_gets_none_but_stands_in_the_legend(texts):
    label_map = np.zeros((120, 200), dtype=np.int32)
    label_map[50:60, 50:60] = 1
    tiny = PanopticSegmentation(label_map, (SegmentInfo(1, "ball", True, 100),))
    overlay(photo(), tiny)
    assert texts == ["ball under 1 %", "unlabelled over 99 %"]


def test_the_legend_counts_segments_and_shares_the_largest_first(texts):
    result = columns(["ball", "kite", "ball"], width=50)
    result.label_map[:60, 50:100] = 0
    kite = SegmentInfo(2, "kite", True, 50 * 60)
    result = PanopticSegmentation(result.label_map, (result.segments[0], kite, result.segments[2]))
    overlay(photo(120, 150), result)
    assert [one for one in texts if "%" in one] == ["ball (2) 67 %", "kite 17 %", "unlabelled 17 %"]


def test_the_legend_breaks_into_lines_and_no_line_leaves_the_picture(patches):
    label_map = np.repeat(np.arange(1, 13, dtype=np.int32), 10)[None].repeat(60, axis=0)
    infos = tuple(SegmentInfo(i, f"a long class name {i}", True, 600) for i in range(1, 13))
    result = PanopticSegmentation(label_map, infos)
    sheet = overlay(photo(60, 120), result)
    legend = sheet[60:].reshape(-1, 3)
    assert len(patches) == 12
    assert all((legend == patch).all(axis=1).any() for patch in patches)


def test_a_class_of_borders_alone_has_a_patch_too(patches):
    label_map = np.tile(np.array([[1, 2], [2, 1]], dtype=np.int32), (30, 30))
    infos = (SegmentInfo(1, "odd", False, 1800), SegmentInfo(2, "even", False, 1800))
    overlay(photo(60, 60), PanopticSegmentation(label_map, infos))
    assert len(patches) == 2 and difference(*patches) >= 15


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2)])
def test_strange_sizes_and_an_empty_result_are_drawn(size):
    empty = PanopticSegmentation(np.zeros(size, dtype=np.int32), ())
    assert (overlay(photo(*size), empty, legend=False) == photo(*size)).all()
    full = PanopticSegmentation(np.ones(size, dtype=np.int32), (SegmentInfo(1, "sky", False, size[0] * size[1]),))
    assert overlay(photo(*size), full).shape[1] == size[1]
    Image.fromarray(overlay(photo(*size), full))


def test_a_segment_that_lost_all_its_pixels_does_not_stop_the_picture(texts):
    result = halves()
    result = PanopticSegmentation(result.label_map, (*result.segments, SegmentInfo(9, "kite", True, 0)))
    overlay(photo(), result)
    assert "kite 0 %" in texts


def test_a_name_that_is_wider_than_the_photo_keeps_its_end(texts):
    overlay(photo(), halves(left="a class of a very long name " * 3, right="b"))
    (text,) = [one for one in texts if one.startswith("a class") and "%" in one]
    assert "..." in text and text.endswith("33 %")


def test_a_line_break_in_a_name_does_not_stop_the_picture(texts):
    overlay(photo(), halves(left="sky\nand more", right="\x1b[31m"))
    assert "sky\\nand more 33 %" in texts and "\\x1b[31m 33 %" in texts


def test_an_overlay_takes_few_bytes_a_pixel():
    """Two copies of the photo, one with the legend below it, and bands of it; it took 20 bytes and more."""
    pixels, result = photo(4000, 2000), halves(4000, 2000)
    tracemalloc.start()
    overlay(pixels, result)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak / result.label_map.size < 10
