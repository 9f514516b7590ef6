"""AP by hand, against pycocotools run on whole files, and against a slow count of the definition."""

import io
import json
from contextlib import redirect_stdout

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from retclip.algorithms.average_precision import AveragePrecision, Instance
from retclip.errors import DataError


def bar(start, stop, width=20):
    """Run lengths of a strip of one row: pixels start..stop are set."""
    pixels = np.zeros((1, width), dtype=np.uint8, order="F")
    pixels[:, start:stop] = 1
    runs = coco.encode(pixels)
    return {"size": [int(side) for side in runs["size"]], "counts": runs["counts"].decode()}


def ap(*images, classes=2):
    counted = AveragePrecision(classes)
    for predicted, annotated in images:
        counted.include(counted.compared(predicted, annotated))
    return counted.result()


def test_a_perfect_answer_is_one():
    found = ap(([Instance(0, bar(0, 10), 0.3)], [Instance(0, bar(0, 10))]))
    assert (found.ap, found.ap50, found.ap75) == pytest.approx((1.0, 1.0, 1.0))
    assert found.per_class == (pytest.approx(1.0), None)


def test_the_iou_decides_at_how_many_thresholds_a_match_counts():
    # IoU 8 / 10: right at .50, .55, ..., .80, which are 7 of the 10 thresholds
    found = ap(([Instance(0, bar(0, 8), 0.9)], [Instance(0, bar(0, 10))]))
    assert (found.ap, found.ap50, found.ap75) == pytest.approx((0.7, 1.0, 1.0))
    # IoU 6 / 10: .50, .55, .60
    found = ap(([Instance(0, bar(0, 6), 0.9)], [Instance(0, bar(0, 10))]))
    assert (found.ap, found.ap50, found.ap75) == pytest.approx((0.3, 1.0, 0.0))


def test_a_false_alarm_above_the_match_halves_the_precision_and_one_below_costs_nothing():
    truth, right, wrong = [Instance(0, bar(0, 10))], bar(0, 10), bar(12, 20)
    assert ap(([Instance(0, wrong, 0.9), Instance(0, right, 0.4)], truth)).ap == pytest.approx(0.5)
    assert ap(([Instance(0, wrong, 0.4), Instance(0, right, 0.9)], truth)).ap == pytest.approx(1.0)


def test_a_missed_instance_ends_the_recalls():
    # one of two found: precision 1 at the recalls 0, .01, ..., .50, which are 51 of 101
    found = ap(([Instance(0, bar(0, 5), 0.9)], [Instance(0, bar(0, 5)), Instance(0, bar(10, 15))]))
    assert found.ap == pytest.approx(51 / 101)


def test_a_second_answer_for_the_same_instance_is_a_false_alarm():
    truth = [Instance(0, bar(0, 5)), Instance(0, bar(10, 15))]
    doubled = [Instance(0, bar(0, 5), 0.9), Instance(0, bar(0, 5), 0.8), Instance(0, bar(10, 15), 0.7)]
    # recall up to .5 at precision 1 (51 recalls), the other 50 at precision 2 / 3
    assert ap((doubled, truth)).ap == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_what_lies_in_a_crowd_is_excused_and_a_crowd_is_not_missed():
    crowd, truth = Instance(0, bar(10, 20), is_crowd=True), Instance(0, bar(0, 10))
    right = Instance(0, bar(0, 10), 0.5)
    inside = [Instance(0, bar(11, 13), 0.9), Instance(0, bar(14, 20), 0.8)]
    assert ap(([*inside, right], [truth, crowd])).ap == pytest.approx(1.0)
    assert ap((inside, [crowd])).ap is None  # nothing to be found
    assert ap(([], [truth, crowd])).ap == 0.0


def test_classes_are_averaged_and_those_without_an_instance_left_out():
    image = (
        [Instance(0, bar(0, 10), 0.9), Instance(2, None, 0.9)],
        [Instance(0, bar(0, 10)), Instance(1, bar(11, 15))],
    )
    found = ap(image, classes=4)
    assert found.per_class == (pytest.approx(1.0), 0.0, None, None)
    assert found.ap == pytest.approx(0.5)
    assert found.mean([0]) == pytest.approx(1.0)
    assert found.mean([0, 1, 2]) == pytest.approx(0.5)
    assert found.mean([2, 3]) is None


def test_nothing_annotated_has_no_figure_and_nothing_predicted_has_zero():
    nothing = ap(([], []), ([Instance(1, None, 0.5)], []))
    assert (nothing.ap, nothing.ap50, nothing.ap75, nothing.per_class) == (None, None, None, (None, None))
    assert ap().ap is None
    assert ap(([], [Instance(1, bar(0, 3))])).ap == 0.0


def test_a_false_alarm_in_an_image_without_the_class_counts_without_its_mask():
    clean = ([Instance(0, bar(0, 10), 0.5)], [Instance(0, bar(0, 10))])
    assert ap(([Instance(0, None, 0.9)], []), clean).ap == pytest.approx(0.5)


def test_only_a_hundred_of_a_class_and_image_are_looked_at():
    many = [Instance(0, bar(12, 20), 0.9)] * 100
    assert ap(([*many, Instance(0, bar(0, 10), 0.1)], [Instance(0, bar(0, 10))])).ap == 0.0


def test_where_an_image_says_what_was_looked_for_no_other_class_is_judged():
    """Two classes, 0 annotated in both images; the answers of class 1 are false alarms only where 1 was looked for."""
    right, wrong = Instance(0, bar(0, 10), 0.5), Instance(0, bar(12, 20), 0.9)
    truth, alarm = [Instance(0, bar(0, 10))], Instance(1, None, 0.9)
    bus = ([Instance(1, bar(0, 5), 0.4)], [Instance(1, bar(0, 5))])

    def figures(absent, incomplete=()):
        counted = AveragePrecision(2)
        counted.include(counted.compared([right, wrong, alarm], truth, absent, incomplete))
        counted.include(counted.compared(*bus))
        return counted.result().per_class

    assert figures(None) == (pytest.approx(0.5), pytest.approx(0.5)), "everything was looked for"
    assert figures([1]) == (pytest.approx(0.5), pytest.approx(0.5)), "class 1 was, and is not there"
    assert figures([]) == (pytest.approx(0.5), pytest.approx(1.0)), "class 1 was not"
    # not every instance of class 0 is annotated, so what matches none of them may well be one
    assert figures([], [0]) == (pytest.approx(1.0), pytest.approx(1.0))


def test_an_unmatched_prediction_of_an_incomplete_class_is_excused_and_a_match_counts():
    truth, half = [Instance(0, bar(0, 10))], Instance(0, bar(0, 8), 0.9)
    counted = AveragePrecision(1)
    counted.include(counted.compared([half], truth, [], [0]))
    assert counted.result().ap == pytest.approx(0.7), "a match below IoU .85, above it nothing at all"


def test_areas_are_those_that_the_annotation_states():
    small, large = Instance(0, bar(0, 10), area=32.0**2 - 1), Instance(0, bar(12, 20), area=96.0**2 + 1)
    found = ap(([Instance(0, bar(0, 10), 0.9)], [small, large]))
    assert (found.small, found.medium, found.large) == (pytest.approx(1.0), None, 0.0)
    assert found.ap == pytest.approx(51 / 101)
    # an unmatched answer counts where its own area lies
    wide = Instance(0, None, 0.95, area=100.0**2)
    found = ap(([Instance(0, bar(0, 10), 0.9)], [small]), ([wide], []))
    assert (found.ap, found.small, found.large) == (pytest.approx(0.5), pytest.approx(1.0), None)


@pytest.mark.parametrize("seed", range(4))
def test_crowds_and_areas_agree_with_pycocotools_run_on_whole_files(seed):
    rng = np.random.default_rng(seed)
    counted, truth, guesses = AveragePrecision(3), [], []
    for image in range(8):
        annotated, predicted = [], []
        for _ in range(rng.integers(0, 6)):
            mask, index, is_crowd = block(rng), int(rng.integers(3)), bool(rng.random() < 0.2)
            area = float(rng.choice([coco.area(mask), 900.0, 5000.0, 20000.0]))
            annotated.append(Instance(index, mask, is_crowd=is_crowd, area=area))
            entry = {"id": len(truth) + 1, "image_id": image, "category_id": index, "area": area}
            truth.append({**entry, "iscrowd": int(is_crowd), "segmentation": mask, "bbox": [0, 0, 1, 1]})
            if rng.random() < 0.7:
                predicted.append(Instance(index, mask, float(rng.random())))
        predicted += [Instance(int(rng.integers(3)), block(rng), float(rng.random())) for _ in range(3)]
        guesses += [
            {"image_id": image, "category_id": one.class_index, "segmentation": one.mask, "score": one.score}
            for one in predicted
        ]
        counted.include(counted.compared(predicted, annotated))
    found, wanted = counted.result(), whole_files(truth, guesses)
    mine = (found.ap, found.ap50, found.ap75, found.small, found.medium, found.large)
    assert [-1 if one is None else one for one in mine] == pytest.approx(wanted, abs=1e-9)


def block(rng, side=120):
    """Run lengths of a random block."""
    pixels = np.zeros((side, side), dtype=np.uint8, order="F")
    y, x, height, width = rng.integers(0, side - 4, 2).tolist() + rng.integers(4, side, 2).tolist()
    pixels[y : y + height, x : x + width] = 1
    runs = coco.encode(pixels)
    return {"size": [side, side], "counts": runs["counts"].decode()}


def whole_files(truth, guesses):
    """AP, AP50, AP75, and of small, medium and large instances, as COCOeval itself tells them."""
    images = [{"id": image, "height": 120, "width": 120} for image in range(8)]
    with redirect_stdout(io.StringIO()):
        annotation = COCO()
        annotation.dataset = {"images": images, "annotations": truth, "categories": [{"id": n} for n in range(3)]}
        annotation.createIndex()
        judge = COCOeval(annotation, annotation.loadRes(guesses), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats[:6].tolist()


def test_nothing_is_printed(capsys):
    ap(([Instance(0, bar(0, 10), 0.3)], [Instance(0, bar(0, 10))]))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("predicted", "told"),
    [
        ([Instance(2, None)], "a class below 2"),
        ([Instance(-1, None)], "a class below 2"),
        ([Instance(0, None)], "a mask of every instance"),
        ([Instance(0, bar(0, 3, width=9))], "masks of one size"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_nothing_of_the_image_stays(predicted, told):
    counted = AveragePrecision(2)
    with pytest.raises(DataError, match=told):
        counted.include(counted.compared(predicted, [Instance(0, bar(0, 10))]))
    assert counted.result().ap is None


def test_agrees_with_pycocotools_on_real_photos(shared_data):
    folder = shared_data / "coco_panoptic"
    truth = json.loads((folder / "instances_val.json").read_text())
    guesses = json.loads((folder / "pred_val_instances.json").read_text())
    wanted = json.loads((folder / "expected_val.json").read_text())["instance_ap"]
    index = {one["id"]: number for number, one in enumerate(truth["categories"])}
    counted = AveragePrecision(len(index))
    for image in truth["images"]:
        mine = [one for one in guesses if one["image_id"] == image["id"]]
        theirs = [one for one in truth["annotations"] if one["image_id"] == image["id"]]
        image = counted.compared(
            [Instance(index[one["category_id"]], one["segmentation"], one["score"]) for one in mine],
            [Instance(index[one["category_id"]], one["segmentation"], is_crowd=bool(one["iscrowd"])) for one in theirs],
        )
        counted.include(image)
    found = counted.result()
    assert (found.ap, found.ap50, found.ap75) == pytest.approx(
        [wanted[key] for key in ("AP", "AP50", "AP75")], abs=1e-9
    )
    per_class = {one["name"]: found.per_class[index[one["id"]]] for one in truth["categories"]}
    told = {name: value for name, value in per_class.items() if value is not None}
    assert told == pytest.approx(_by_name(wanted["per_class_AP"], truth["categories"]), abs=1e-9)


def _by_name(values, categories):
    names = {str(one["id"]): one["name"] for one in categories}
    return {
        names.get(str(key), key): value["AP"] if isinstance(value, dict) else value for key, value in values.items()
    }


spans = st.tuples(st.integers(0, 11), st.integers(1, 6)).map(lambda one: (one[0], min(12, one[0] + one[1])))
images = st.lists(st.tuples(st.lists(spans, max_size=5), st.lists(spans, max_size=3)), max_size=4)


@settings(max_examples=60, deadline=None)
@given(images, st.integers(0, 10**6))
def test_it_equals_a_slow_count(found, seed):
    scores = iter(np.random.default_rng(seed).permutation(100) / 100)  # all different: ties are broken by order
    data = [([(span, float(next(scores))) for span in guesses], truths) for guesses, truths in found]
    counted = ap(
        *(
            (
                [Instance(0, bar(*span, 12), score) for span, score in guesses],
                [Instance(0, bar(*t, 12)) for t in truths],
            )
            for guesses, truths in data
        ),
        classes=1,
    )
    if not any(truths for _, truths in found):
        assert counted.ap is None
    else:
        assert counted.ap50 == pytest.approx(_slow(data, 0.5), abs=1e-9)
        assert counted.ap75 == pytest.approx(_slow(data, 0.75), abs=1e-9)


def _slow(data, threshold):
    """The definition at one threshold, of one class without crowds: greedy matches, then the interpolated curve."""
    judged, wanted = [], 0
    for guesses, truths in data:
        free = set(range(len(truths)))
        wanted += len(truths)
        for span, score in sorted(guesses, key=lambda one: -one[1]):
            best = max(free, key=lambda t: (_iou(span, truths[t]), t), default=None)
            right = best is not None and _iou(span, truths[best]) >= threshold
            if right:
                free.discard(best)
            judged.append((score, right))
    judged.sort(reverse=True)
    curve, hits = [], 0
    for place, (_, right) in enumerate(judged, 1):
        hits += right
        curve.append((hits / wanted, hits / place))
    best = [max((p for r, p in curve if r >= recall), default=0.0) for recall in np.linspace(0, 1, 101)]
    return sum(best) / 101


def _iou(one, other):
    shared = max(0, min(one[1], other[1]) - max(one[0], other[0]))
    return shared / (one[1] - one[0] + other[1] - other[0] - shared)
