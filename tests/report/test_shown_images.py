"""The images of a page: evenly over the source and the worst, in memory and in a folder, of one walk and of parts."""

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from retclip.errors import DataError
from retclip.report.shown_images import SIDE, ShownImages
from retclip.types import Image, PanopticSegmentation, SegmentInfo
from retclip.workflows.evaluation.evaluate import Judged


def judged(number=0, total=1, size=(20, 40), quality=1.0):
    label_map = np.ones(size, dtype=np.int32)
    label_map[:, size[1] // 2 :] = 2
    infos = tuple(SegmentInfo(i, name, False, 1) for i, name in ((1, "sky"), (2, "sea")))
    truth = PanopticSegmentation(label_map, infos)
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    return Judged(number, total, f"photo{number}", Image(pixels, "0" * 64, "", truth), truth, 0.5, quality)


def numbers(images):
    return [shown.number for shown in images]


@pytest.mark.parametrize(
    ("most", "total", "wanted"),
    [(3, 9, [0, 3, 6]), (2, 5, [0, 3]), (9, 4, [0, 1, 2, 3]), (0, 4, []), (1, 1, [0]), (4, 10, [0, 3, 5, 8])],
)
def test_images_are_taken_evenly_over_the_source(most, total, wanted):
    images = ShownImages(most)
    for number in range(total):
        images.add(judged(number, total), ())
    assert numbers(images.evenly) == wanted


QUALITIES = [0.9, 0.2, 0.8, 0.1, 0.7, 0.3, 1.0]


def test_the_worst_are_the_worst_of_all_whatever_the_order():
    images = ShownImages(2)
    for number, quality in enumerate(QUALITIES):
        images.add(judged(number, len(QUALITIES), quality=quality), ())
    assert numbers(images.worst) == [3, 1]
    assert len(images._images) <= 4, "what is neither is forgotten"


def test_parts_that_came_together_show_what_one_walk_shows(tmp_path):
    alone, folder = ShownImages(2), tmp_path / "parts"
    for number, quality in enumerate(QUALITIES):
        alone.add(judged(number, len(QUALITIES), quality=quality), ())
    for part in range(2):  # the second finds what the first left, as after a stop
        images = ShownImages(2, folder)
        for number in range(part, len(QUALITIES), 2):
            images.add(judged(number, len(QUALITIES), quality=QUALITIES[number]), ())
    again = ShownImages(2).of_folder(folder)
    assert (again.evenly, again.worst) == (alone.evenly, alone.worst)
    assert {int(file.stem) for file in (folder / "pictures").iterdir()} == set(numbers(again.evenly + again.worst))


def test_a_picture_has_a_legible_size():
    images = ShownImages(3)
    for number, size in enumerate(((20, 40), (900, 1800))):
        images.add(judged(number, 2, size), ())
    for shown in images.evenly:
        with Pillow.open(io.BytesIO(base64.b64decode(shown.photo.split(",")[1]))) as picture:
            assert picture.size == (SIDE, SIDE // 2)


def test_an_image_without_annotation_is_not_shown():
    images, without = ShownImages(3), judged()
    images.add(replace(without, image=replace(without.image, truth=None)), ())
    assert images.evenly == []


def test_a_damaged_file_is_told(tmp_path):
    ShownImages(1, tmp_path).add(judged(), ())
    (file,) = (tmp_path / "pictures").iterdir()
    file.write_text(json.dumps({"number": 0}))
    with pytest.raises(DataError, match="got name: Field required; delete it"):
        ShownImages(1, tmp_path)
