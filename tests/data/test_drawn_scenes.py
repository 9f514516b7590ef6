"""Computed pictures as an image source: written once, annotated, or with their class names alone."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from retclip.data.drawn_scenes import DrawnScenes
from retclip.errors import DataError
from retclip.plugin.contracts import SourceClass
from retclip.types import PanopticSegmentation, SegmentInfo


def draw(index):
    """A grey picture whose left half is a wall; every second one has a ball."""
    labels = np.zeros((4, 6), np.int32)
    labels[:, :3] = 1
    segments = [SegmentInfo(1, "wall", False, 12)]
    if index % 2:
        labels[0, 5] = 2
        segments.append(SegmentInfo(2, "ball", True, 1))
    return np.full((4, 6, 3), 10 * index, np.uint8), PanopticSegmentation(labels, tuple(segments))


def source(folder, **given):
    return DrawnScenes("grey", [SourceClass("ball"), SourceClass("wall", False)], 3, folder, "grey", draw, **given)


def test_each_picture_is_written_and_says_what_it_shows(tmp_path):
    records = list(source(tmp_path).images())
    assert [one.external_id for one in records] == ["grey_0000", "grey_0001", "grey_0002"]
    assert [one.class_names for one in records] == [("wall",), ("ball", "wall"), ("wall",)]  # in the source's order
    for index, one in enumerate(records):
        image = one.load()
        assert image.sha256 == one.file_digest() == hashlib.sha256(Path(one.uri).read_bytes()).hexdigest()
        assert (image.pixels == 10 * index).all()
        assert (image.truth.label_map == draw(index)[1].label_map).all()
    assert len({one.annotation_digest for one in records[:2]}) == 2


def test_without_masks_only_the_names_are_told(tmp_path):
    first, second, third = source(tmp_path, masks=False).images()
    assert second.class_names == ("ball", "wall")
    assert second.load().truth is None
    assert first.annotation_digest == third.annotation_digest != second.annotation_digest  # the names are all there is


def test_a_damaged_picture_is_written_again_and_a_whole_one_is_left_alone(tmp_path):
    list(source(tmp_path).images())
    target = tmp_path / "grey_0001.png"
    whole, when = target.read_bytes(), (tmp_path / "grey_0000.png").stat().st_mtime_ns
    target.write_bytes(b"damaged")
    list(source(tmp_path).images())
    assert target.read_bytes() == whole
    assert (tmp_path / "grey_0000.png").stat().st_mtime_ns == when


def test_a_folder_that_cannot_be_written_is_a_data_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match="choose another place for `path`"):
        next(source(tmp_path / "file" / "below").images())


def test_a_picture_of_somebody_else_is_not_drawn_over(tmp_path):
    (tmp_path / "grey_0001.png").write_bytes(b"a photo")
    records = source(tmp_path).images()
    next(records)
    with pytest.raises(DataError, match=r"grey_0001\.png, another picture, .*choose another `path`"):
        next(records)
    assert (tmp_path / "grey_0001.png").read_bytes() == b"a photo"
