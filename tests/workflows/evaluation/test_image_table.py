"""Bootstrap from the kept counts: each drawing gives the figures of an evaluation of exactly the drawn images."""

import numpy as np
import pytest

from retclip.algorithms.bootstrap import drawings
from retclip.types import PanopticSegmentation, SegmentInfo
from retclip.workflows.evaluation.counters import Counters, Prediction
from retclip.workflows.evaluation.evaluation_figures import Bootstrap, summary
from retclip.workflows.evaluation.image_counts import counts_of_line
from retclip.workflows.evaluation.image_table import FIGURES, figures_of, intervals
from retclip.workflows.evaluation.instances import annotated_instances

NAMES, THINGS = ("sky", "car", "bus", "sea"), (False, True, True, False)


def panoptic(rng):
    label_map = np.kron(rng.integers(0, 4, (4, 5)), np.ones((3, 3), np.int64)).astype(np.int32)
    infos = (
        SegmentInfo(i, NAMES[c], THINGS[c], 1, score=float(rng.random()), is_crowd=bool(rng.random() < 0.1))
        for i, c in zip((1, 2, 3), rng.integers(0, 3, 3), strict=True)
        if (label_map == i).any()
    )
    return PanopticSegmentation(label_map, tuple(infos))


@pytest.fixture(scope="module")
def counts():
    """Eight images, their counts."""
    rng, counters = np.random.default_rng(0), Counters(NAMES, THINGS)
    images = []
    for number in range(8):
        truth, guess = panoptic(rng), panoptic(rng)
        if number % 2:  # some are nearly right
            guess = PanopticSegmentation(np.where(truth.label_map == 1, 0, truth.label_map), truth.segments)
            present = {int(i) for i in np.unique(guess.label_map)}
            guess = PanopticSegmentation(guess.label_map, tuple(s for s in guess.segments if s.id in present))
        annotated = annotated_instances(truth, counters.index, THINGS)
        images.append(
            counters.counted(Prediction(guess, None, annotated.instances), truth, annotated, number, f"{number}")
        )
    return images


def counted(images):
    counters = Counters(NAMES, THINGS)
    for one in images:
        counters.include(one)
    return counters


def figures(images, seen=None):
    return summary(counted(images), seen, (), (), {}, Bootstrap(0))


def test_each_drawing_gives_the_figures_of_the_drawn_images(counts):
    table = counted(counts).table
    for weights in drawings(len(counts), 12, 5):
        drawn = figures_of(table.sums(weights))
        for row, times in enumerate(weights.astype(int)):
            wanted = figures([one for one, n in zip(counts, times, strict=True) for _ in range(n)])
            for key in FIGURES:
                assert 100 * drawn[key][row] == pytest.approx(getattr(wanted, key), abs=1e-9), key


def test_intervals_are_the_percentiles_of_such_figures(counts):
    drawn = intervals(counted(counts).table, {"all": None, "sky": [0]}, 300, 2)
    pq = []
    for weights in drawings(len(counts), 300, 2):
        for times in weights.astype(int):
            repeated = [one for one, n in zip(counts, times, strict=True) for _ in range(n)]
            pq.append(counted(repeated).quality.mean().pq)
    assert drawn["all"]["pq"] == pytest.approx(tuple(np.quantile(pq, [0.025, 0.975])))
    assert set(drawn["sky"]) == set(FIGURES) and drawn["sky"]["pq"] != drawn["all"]["pq"]


def test_a_class_that_no_drawing_shows_has_no_interval(counts):
    drawn = intervals(counted(counts).table, {"sea": [3]}, 20, 0)
    assert drawn["sea"]["miou"] is None and drawn["sea"]["fwiou"] is None


def test_figures_of_groups_and_of_unknown_kinds(counts):
    found = summary(counted(counts), (True, False, False, False), (), (), {}, Bootstrap(50, 1))
    assert found.groups["seen"].boundary_iou == found.per_class["sky"]["boundary_iou"]
    low, high = found.intervals["seen"]["miou"]
    assert low <= found.groups["seen"].miou <= high
    unknown = Counters(NAMES, (False, None, True, False))
    for one in counts:
        unknown.include(one)
    found = summary(unknown, None, (), (), {}, Bootstrap(50, 1))
    assert found.intervals["all"]["pq"] is None and found.intervals["all"]["miou"] is not None
    assert found.calibration_error is None


def test_counts_are_read_back_as_they_were_written(counts):
    back = [counts_of_line(one.as_line()) for one in counts]
    assert [one.as_line() for one in back] == [one.as_line() for one in counts]
    first, second = (figures(images, (True, True, False, False)).as_dict() for images in (counts, back))
    assert first == second and first["map"] is not None
