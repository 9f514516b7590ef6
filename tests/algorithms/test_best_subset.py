"""The best subset of masks, worked out by hand on a row of pixels."""

import numpy as np
import pytest

from retclip.algorithms.best_subset import best_subset


def row(*spans, width=20):
    """Masks on one row of pixels, each from a first to a last pixel, exclusive."""
    masks = np.zeros((len(spans), 1, width), dtype=bool)
    for mask, (begin, end) in zip(masks, spans, strict=True):
        mask[0, begin:end] = True
    return masks


def segments(*spans, width=20):
    """The true segments of that row, and a background that is a segment of its own, the last."""
    truth = np.full((1, width), len(spans), dtype=np.int64)
    for index, (begin, end) in enumerate(spans):
        truth[0, begin:end] = index
    return truth


def choose(masks, labels, truth, classes, several):
    return best_subset(
        masks, np.array(labels, np.int64), truth, np.array(classes, np.int64), np.array(several, dtype=bool)
    )


@pytest.mark.parametrize(("several", "segment", "share"), [(False, [0, -1], [1, 0]), (True, [0, 0], [1, 8 / 12])])
def test_the_worked_example(several, segment, share):
    truth = segments((0, 10))
    masks = row((0, 6), (2, 14))  # IoU 6 / 10, and 8 / 14
    choice = choose(masks, [5, 5], truth, [5, 9], [several, True])
    assert choice.segment.tolist() == segment
    assert choice.share.tolist() == share


def test_stuff_takes_several_masks_and_a_thing_one():
    truth, masks = segments((0, 10)), row((0, 5), (5, 11), (0, 7))
    assert choose(masks, [5] * 3, truth, [5, 9], [True, True]).segment.tolist() == [0, 0, 0], "IoU 10 / 11"
    # 5 / 10, 5 / 11, 7 / 10
    assert choose(masks, [5] * 3, truth, [5, 9], [False, True]).segment.tolist() == [-1, -1, 0]


def test_a_mask_that_only_does_harm_is_left_out():
    truth, masks = segments((0, 10)), row((0, 9), (9, 20))
    choice = choose(masks, [5, 5], truth, [5, 9], [True, True])  # 9 / 10; with the second 10 / 20
    assert choice.segment.tolist() == [0, -1]


def test_things_share_masks_so_that_both_have_one():
    truth = segments((0, 10), (10, 20))
    masks = row((0, 10), (0, 8))  # both are nearest to the first thing, and the second gets none
    assert choose(masks, [5, 5], truth, [5, 5, 9], [False, False, True]).segment.tolist() == [0, -1]
    masks = row((1, 9), (8, 20))
    assert choose(masks, [5, 5], truth, [5, 5, 9], [False, False, True]).segment.tolist() == [0, 1]


def test_a_mask_of_another_label_or_with_half_an_overlap_is_never_chosen():
    truth = segments((0, 10))
    assert choose(row((0, 10)), [4], truth, [5, 9], [False, True]).segment.tolist() == [-1]
    assert choose(row((0, 5)), [5], truth, [5, 9], [False, True]).segment.tolist() == [-1], "0.5 is no match"


def test_what_no_segment_shows_counts_nowhere():
    truth = segments((0, 10))
    truth[0, 10:] = -1
    choice = choose(row((0, 20)), [5], truth, [5], [False])
    assert (choice.segment.tolist(), choice.share.tolist()) == ([0], [1])


def test_nothing_to_choose_from():
    assert choose(row(), [], segments((0, 10)), [5, 9], [False, True]).segment.tolist() == []
    empty = choose(row((0, 9)), [5], np.full((1, 20), -1), [], [])
    assert (empty.segment.tolist(), empty.share.tolist()) == ([-1], [0])
