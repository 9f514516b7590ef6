"""A byte per pixel: components of things, small ones void, stuff whole."""

import numpy as np
from PIL import Image as Pillow

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
