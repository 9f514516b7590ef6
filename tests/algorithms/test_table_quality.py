"""Quality from tables is that of maps: things, stuff of several masks, void and crowds."""

import numpy as np
import pytest

from retclip.algorithms.panoptic_quality import PanopticQuality
from retclip.algorithms.table_quality import AnnotatedTable, table_quality
from retclip.types import PanopticSegmentation, SegmentInfo

THINGS = np.array([True, True, False, False])


def test_the_worked_example():
    inside = np.array([[[2, 6]], [[2, 6]]])  # a mask of 8 pixels in two settings: 2 on void, 6 on the car
    annotation = AnnotatedTable(np.array([-1, 0]), np.array([False, False]), np.array([10, 6]))
    counts = table_quality(inside, np.array([[0], [1]]), np.ones((2, 1), dtype=bool), THINGS, annotation)
    assert (counts.tp.tolist(), counts.iou_sum[0, 0]) == ([[1, 0, 0, 0], [0, 0, 0, 0]], 1.0)
    assert (counts.fp[1].tolist(), counts.fn[1].tolist()) == ([0, 1, 0, 0], [1, 0, 0, 0])


def scene(rng):
    """A random annotation over 12 x 12 pixels and the masks of a prediction, patches of pixels that do not overlap."""
    truth = rng.integers(0, 5, (4, 4)).repeat(3, axis=0).repeat(3, axis=1)
    classes = np.array([-1, *rng.integers(0, 4, 4)])
    crowd = np.array([False, *(rng.random(4) < 0.25)])
    owner = rng.integers(-1, 6, (6, 6)).repeat(2, axis=0).repeat(2, axis=1)
    return truth, classes, crowd, owner


def of_map(truth, classes, crowd, owner, labels, surviving):
    """The quality of the maps, by the functions that count predictions."""
    names = ("a", "b", "c", "d")
    annotated = tuple(
        SegmentInfo(t, names[classes[t]], bool(THINGS[classes[t]]), 1, is_crowd=bool(crowd[t]))
        for t in range(1, 5)
        if (truth == t).any()
    )
    label_map, segments, stuff = np.zeros(owner.shape, dtype=np.int32), [], {}
    for n in range(6):
        if surviving[n] and (owner == n).any():
            label = int(labels[n])
            number = stuff.get(label) or len(segments) + 1
            if number > len(segments):
                segments.append(SegmentInfo(number, names[label], bool(THINGS[label]), 1))
            if not THINGS[label]:
                stuff[label] = number
            label_map[owner == n] = number
    quality = PanopticQuality(dict(zip(names, THINGS.tolist(), strict=True)))
    quality.add(
        PanopticSegmentation(label_map, tuple(segments)), PanopticSegmentation(truth.astype(np.int32), annotated)
    )
    return quality.per_class.values()


@pytest.mark.parametrize("seed", range(40))
def test_random_scenes(seed):
    rng = np.random.default_rng(seed)
    truth, classes, crowd, owner = scene(rng)
    labels, surviving = rng.integers(0, 4, (7, 6)), rng.random((7, 6)) < 0.8
    inside = np.stack([np.bincount(truth[owner == n], minlength=5) for n in range(6)])[None].repeat(7, axis=0)
    annotation = AnnotatedTable(classes, crowd, np.bincount(truth.ravel(), minlength=5))
    there = annotation.areas[1:] > 0
    counts = table_quality(inside, labels, surviving & (inside.sum(axis=2) > 0), THINGS, annotation)
    for setting in range(7):
        wanted = of_map(truth, classes, crowd, owner, labels[setting], surviving[setting])
        rows = np.stack([counts.tp, counts.fp, counts.fn, counts.iou_sum])[:, setting].T
        absent = np.bincount(classes[1:][~there & ~crowd[1:]], minlength=4)  # no segment of a map without pixels
        rows[:, 2] -= absent
        assert rows == pytest.approx(np.array([(q.tp, q.fp, q.fn, q.iou_sum) for q in wanted]), abs=1e-12)
