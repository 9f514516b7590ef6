import json

import numpy as np
import pytest
from PIL import Image

from retclip.algorithms.mean_iou import ConfusionMatrix, Mistake
from retclip.errors import ShapeError


def test_a_hand_worked_image():
    matrix = ConfusionMatrix(3)
    matrix.add(np.array([[0, 0, 1, -1], [1, 1, 2, 0]]), np.array([[0, 0, 0, 0], [1, 1, -1, 1]]))
    # class 0: 2 of 4 right, one pixel of 1 called 0: 2 / 5; class 1: 2 / (3 + 3 - 2); class 2 only on void truth
    result = matrix.result()
    assert result.iou == (2 / 5, 2 / 4, None)
    assert result.miou == pytest.approx(0.45)
    assert result.accuracy == pytest.approx(4 / 7)
    assert result.annotated == (True, True, False)
    assert (result.mean([0]), result.mean([0, 1, 2]), result.mean([2]), result.mean([])) == (0.4, 0.45, None, None)


def test_what_was_mixed_up_comes_with_the_most_pixels_first():
    matrix = ConfusionMatrix(3)
    matrix.add(np.array([[1, 1, 1, -1], [1, 0, 2, 2]]), np.array([[0, 0, 0, 0], [1, 1, -1, 1]]))
    # of class 0's four pixels three became 1 and one void; of class 1's three one became 0 and one became 2
    wanted = (Mistake(0, 1, 3, 0.75), Mistake(0, -1, 1, 0.25), Mistake(1, 0, 1, 1 / 3), Mistake(1, 2, 1, 1 / 3))
    assert matrix.mistakes(9) == wanted
    assert matrix.mistakes(2) == wanted[:2]
    assert matrix.counts[0, 1] == 3  # looking changes nothing
    assert ConfusionMatrix(2).mistakes(5) == ()


def test_a_class_that_is_only_predicted_is_zero_and_not_in_the_mean():
    matrix = ConfusionMatrix(2)
    matrix.add(np.array([[0, 1]]), np.array([[0, 0]]))
    assert matrix.result().iou == (0.5, 0.0)
    assert matrix.result().miou == 0.5


def test_nothing_labelled_has_no_mean():
    matrix = ConfusionMatrix(2)
    matrix.add(np.array([[0]]), np.array([[-1]]))
    assert (matrix.result().miou, matrix.result().accuracy) == (None, None)


def test_sizes_must_agree_and_parts_add_up():
    rng = np.random.default_rng(0)
    maps = rng.integers(-1, 4, (2, 2, 9, 7))
    whole, one, two = ConfusionMatrix(4), ConfusionMatrix(4), ConfusionMatrix(4)
    for accumulator, index in ((one, 0), (two, 1), (whole, 0), (whole, 1)):
        accumulator.add(maps[index, 0], maps[index, 1])
    one.merge(two)
    assert (one.counts == whole.counts).all()
    with pytest.raises(ShapeError):
        whole.add(maps[0, 0], maps[0, 0][:3])


def category_map(folder, annotation, index):
    colours = np.asarray(Image.open(folder / annotation["file_name"]).convert("RGB"), dtype=np.int64)
    ids = colours @ np.array([1, 256, 65536])
    found = np.full(ids.shape, -1, dtype=np.int64)
    for one in annotation["segments_info"]:
        found[ids == one["id"]] = index[one["category_id"]]
    return found


@pytest.mark.parametrize(
    ("pack", "truth", "guess", "expected"),
    [
        ("coco_panoptic_sample", "panoptic", "pred", "expected.json"),
        ("coco_panoptic", "panoptic_val", "pred_val", "expected_val.json"),
    ],
)
def test_agrees_with_the_reference_on_real_photos(shared_data, pack, truth, guess, expected):
    folder = shared_data / pack
    annotated = json.loads((folder / f"{truth}.json").read_text())
    guessed = json.loads((folder / f"{guess}.json").read_text())["annotations"]
    by_image = {one["image_id"]: one for one in guessed}
    index = {one["id"]: number for number, one in enumerate(annotated["categories"])}
    matrix = ConfusionMatrix(len(index))
    for one in annotated["annotations"]:
        matrix.add(
            category_map(folder / guess, by_image[one["image_id"]], index), category_map(folder / truth, one, index)
        )
    wanted = json.loads((folder / expected).read_text())["semantic"]
    result = matrix.result()
    assert result.miou == pytest.approx(wanted["miou"], abs=1e-12)
    assert result.accuracy == pytest.approx(wanted["pixel_acc"], abs=1e-12)
    for category, iou in wanted["iou"].items():
        assert result.iou[index[int(category)]] == pytest.approx(iou, abs=1e-12)
