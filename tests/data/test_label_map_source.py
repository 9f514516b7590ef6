"""A byte per pixel: components of things, small ones void, stuff whole."""

import numpy as np
from PIL import Image as Pillow
from scipy import ndimage

from retclip.data.label_map_source import LabelMapSettings, LabelMapSource
from retclip.plugin.contracts import SourceClass


def truth(tmp_path, **settings):
    known = [SourceClass("sky", False, native_id=0), SourceClass("car", True, native_id=1)]
    Pillow.fromarray(np.array([[1, 0, 1, 1], [0, 0, 1, 9]], np.uint8)).save(tmp_path / "a.png")
    source = LabelMapSource("x", tmp_path, known, 9, [], LabelMapSettings(path="x", **settings))
    found = source.truth(tmp_path / "a.png")
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
    found = LabelMapSource("x", tmp_path, known, 9, [], LabelMapSettings(path="x")).truth(tmp_path / "a.png")
    assert len(found.segments) == 901 and {one.area for one in found.segments[1:]} == {1}
    assert np.array_equal(np.asarray(found.label_map)[::2, ::2].ravel(), np.arange(2, 902)) and not compared
