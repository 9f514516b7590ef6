"""PQ by hand, against panopticapi's own numbers on real photos, and against a slow independent count."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from retclip.algorithms.panoptic_quality import ClassQuality, PanopticQuality
from retclip.errors import DataError
from retclip.types import PanopticSegmentation, SegmentInfo


def panoptic(rows, classes, crowds=()):
    label_map = np.array(rows, dtype=np.int32)
    infos = [
        SegmentInfo(i, name, True, int((label_map == i).sum()), is_crowd=i in crowds)
        for i, name in classes.items()
        if (label_map == i).any()
    ]
    return PanopticSegmentation(label_map, tuple(infos))


def test_a_hand_worked_image():
    truth = panoptic([[1, 1, 1, 0], [2, 2, 2, 2]], {1: "cat", 2: "dog"})
    guess = panoptic([[5, 5, 5, 5], [6, 6, 7, 7]], {5: "cat", 6: "dog", 7: "cat"})
    quality = PanopticQuality({"cat": True, "dog": True})
    quality.add(guess, truth)
    # cat 5 meets cat 1 on 3 pixels; its 4th lies in void and leaves the union: IoU 3 / 3
    assert quality.per_class["cat"] == ClassQuality(tp=1, fp=1, fn=0, iou_sum=1.0)
    # dog 6 covers exactly half of dog 2: IoU 0.5 is not above 0.5
    assert quality.per_class["dog"] == ClassQuality(tp=0, fp=1, fn=1)
    assert quality.mean().pq == pytest.approx((1 / 1.5 + 0) / 2)
    assert quality.mean().n == 2
    assert quality.mean(names={"cat"}).pq == pytest.approx(1 / 1.5)
    assert (quality.mean(names=()).pq, quality.mean(names={"bird"}).n, quality.mean(False, {"cat"}).n) == (None, 0, 0)


def test_a_prediction_in_void_or_in_a_crowd_of_its_class_is_no_false_positive():
    truth = panoptic([[1, 1, 1, 0, 0, 0, 2]], {1: "cat", 2: "dog"}, crowds={1})
    guess = panoptic([[3, 3, 3, 4, 4, 4, 5]], {3: "cat", 4: "dog", 5: "dog"})
    quality = PanopticQuality({"cat": True, "dog": True})
    quality.add(guess, truth)
    assert quality.per_class == {"cat": ClassQuality(), "dog": ClassQuality(tp=1, iou_sum=1.0)}


def test_a_map_that_disagrees_with_its_segments_is_refused():
    good = panoptic([[1, 1]], {1: "cat"})
    bad = PanopticSegmentation(np.array([[1, 2]], np.int32), good.segments)
    with pytest.raises(DataError, match="same ids"):
        PanopticQuality({"cat": True}).add(bad, good)
    with pytest.raises(DataError, match="classes of the data set"):
        PanopticQuality({"dog": True}).add(good, good)
    with pytest.raises(DataError, match="size"):
        PanopticQuality({"cat": True}).add(panoptic([[1]], {1: "cat"}), good)


def read_png(path):
    colours = np.asarray(Image.open(path).convert("RGB"), dtype=np.int32)
    return colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]


def load(folder, document, pngs):
    names = {one["id"]: one["name"] for one in document["categories"]}
    things = {one["id"]: bool(one["isthing"]) for one in document["categories"]}
    for annotation in document["annotations"]:
        infos = tuple(
            SegmentInfo(
                s["id"], names[s["category_id"]], things[s["category_id"]], s.get("area", 0),
                is_crowd=bool(s.get("iscrowd", 0)),
            )
            for s in annotation["segments_info"]
        )  # fmt: skip
        yield annotation["image_id"], PanopticSegmentation(read_png(folder / pngs / annotation["file_name"]), infos)


@pytest.mark.parametrize(
    ("pack", "truth", "guess", "expected"),
    [
        ("coco_panoptic_sample", "panoptic", "pred", "expected.json"),
        ("coco_panoptic", "panoptic_val", "pred_val", "expected_val.json"),
    ],
)
def test_agrees_with_panopticapi_on_real_photos(shared_data, pack, truth, guess, expected):
    folder = shared_data / pack
    annotated = json.loads((folder / f"{truth}.json").read_text())
    guessed = json.loads((folder / f"{guess}.json").read_text())
    guessed.setdefault("categories", annotated["categories"])
    quality = PanopticQuality({one["name"]: bool(one["isthing"]) for one in annotated["categories"]})
    predictions = dict(load(folder, guessed, guess))
    for image_id, one in load(folder, annotated, truth):
        quality.add(predictions[image_id], one)
    wanted = json.loads((folder / expected).read_text())
    for key, things in (("All", None), ("Things", True), ("Stuff", False)):
        mean = quality.mean(things)
        assert (mean.pq, mean.sq, mean.rq) == pytest.approx([wanted[key][k] for k in ("pq", "sq", "rq")], abs=1e-12)
        assert mean.n == wanted[key]["n"]
    for one in wanted["per_class"].values():
        found = quality.per_class[one["name"]]
        assert (found.tp, found.fp, found.fn) == (one["tp"], one["fp"], one["fn"]), one["name"]
        assert found.iou_sum == pytest.approx(one["iou_sum"], abs=1e-12)


def test_agrees_with_hotcoco_on_real_photos(shared_data):
    """A third count of the same files, where it is installed."""
    hotcoco = pytest.importorskip("hotcoco.panoptic")
    folder = shared_data / "coco_panoptic"
    evaluation = hotcoco.PanopticEval(folder / "panoptic_val.json", folder / "pred_val.json")
    evaluation.evaluate()
    annotated = json.loads((folder / "panoptic_val.json").read_text())
    guessed = {"categories": annotated["categories"], **json.loads((folder / "pred_val.json").read_text())}
    quality = PanopticQuality({entry["name"]: bool(entry["isthing"]) for entry in annotated["categories"]})
    predictions = dict(load(folder, guessed, "pred_val"))
    for image_id, truth in load(folder, annotated, "panoptic_val"):
        quality.add(predictions[image_id], truth)
    for key, things in (("All", None), ("Things", True), ("Stuff", False)):
        mean, wanted = quality.mean(things), evaluation.results()[key]
        assert (mean.pq, mean.sq, mean.rq) == pytest.approx([wanted[k] for k in ("pq", "sq", "rq")], abs=1e-12)


maps = st.lists(st.lists(st.integers(0, 4), min_size=6, max_size=6), min_size=4, max_size=4)
classes = st.fixed_dictionaries({i: st.sampled_from(["a", "b"]) for i in range(1, 5)})


def slow_count(guess, truth):
    """The definition, segment pair by segment pair, with boolean masks."""
    counts = {name: [0, 0, 0, 0.0] for name in "ab"}
    void = truth.label_map == 0
    taken_guess, taken_truth = set(), set()
    for g in guess.segments:
        for t in truth.segments:
            if g.class_name != t.class_name or t.is_crowd:
                continue
            mine, theirs = guess.label_map == g.id, truth.label_map == t.id
            iou = (mine & theirs).sum() / ((mine & ~void) | theirs).sum()
            if iou > 0.5:
                counts[g.class_name][0] += 1
                counts[g.class_name][3] += iou
                taken_guess.add(g.id)
                taken_truth.add(t.id)
    for t in truth.segments:
        counts[t.class_name][2] += t.id not in taken_truth and not t.is_crowd
    for g in guess.segments:
        if g.id in taken_guess:
            continue
        excuse = void.copy()
        last = [t for t in truth.segments if t.is_crowd and t.class_name == g.class_name][-1:]
        for t in last:
            excuse |= truth.label_map == t.id
        mine = guess.label_map == g.id
        counts[g.class_name][1] += (mine & excuse).sum() / mine.sum() <= 0.5
    return {name: ClassQuality(int(tp), int(fp), int(fn), float(iou)) for name, (tp, fp, fn, iou) in counts.items()}


@settings(max_examples=150, deadline=None)
@given(maps, maps, classes, classes, st.sets(st.integers(1, 4), max_size=2))
def test_agrees_with_a_slow_count_on_random_maps(guess_rows, truth_rows, guess_classes, truth_classes, crowds):
    guess, truth = panoptic(guess_rows, guess_classes), panoptic(truth_rows, truth_classes, crowds)
    quality, halves = PanopticQuality({"a": True, "b": False}), PanopticQuality({"a": True, "b": False})
    before = guess.label_map.copy()
    quality.add(guess, truth)
    assert (guess.label_map == before).all()
    for name, wanted in slow_count(guess, truth).items():
        found = quality.per_class[name]
        assert (found.tp, found.fp, found.fn) == (wanted.tp, wanted.fp, wanted.fn)
        assert found.iou_sum == pytest.approx(wanted.iou_sum, abs=1e-12)
    halves.merge(quality)
    halves.merge(quality)
    assert halves.mean().pq == pytest.approx(quality.mean().pq)


@settings(max_examples=30, deadline=None)
@given(maps, classes)
def test_a_perfect_prediction_has_quality_one(rows, names):
    one = panoptic(rows, names)
    quality = PanopticQuality({"a": True, "b": False})
    quality.add(one, one)
    assert all(found.pq == 1.0 for found in quality.per_class.values() if found.counted)


def test_nothing_to_count_has_no_mean():
    quality = PanopticQuality({"a": True, "b": False})
    quality.add(
        panoptic([[1, 1]], {1: "a", 2: "b", 3: "a", 4: "b"}), panoptic([[0, 0]], {1: "a", 2: "b", 3: "a", 4: "b"})
    )
    mean = quality.mean()
    assert (mean.pq, mean.sq, mean.rq, mean.n) == (None, None, None, 0), "what lies in void is no false alarm"
