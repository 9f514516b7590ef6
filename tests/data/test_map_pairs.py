"""Photos and maps of equal names: pairs in order, and a digest that hangs on all that decides what a map means."""

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.data.class_choice import AnnotatedSettings
from retclip.data.map_pairs import MapPairs, matched_pairs
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo


class Whole(MapPairs):
    """Every map is one fox."""

    meaning = 1

    def truth(self, file):
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
    return Whole("x", folder / "photos", known, pairs, AnnotatedSettings(path="x", **settings))


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


def test_a_photo_without_a_map_is_named(folder):
    (folder / "maps" / "b.png").unlink()
    with pytest.raises(DataError, match=r"b\.png"):
        opened(folder)
