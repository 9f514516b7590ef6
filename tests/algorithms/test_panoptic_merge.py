"""The merge by hand, against a slow merge pixel by pixel, and what every panoptic map must satisfy."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.algorithms.panoptic_merge import MergeThresholds, against_rest, panoptic_merge
from retclip.types import MaskMap, SegmentInfo

CLASSES, SIZE = 3, (3, 4)
THINGS = torch.tensor([True, False, False])
seeds = st.integers(0, 2**31)
eighths = st.integers(0, 8).map(lambda i: i / 8)  # exact, so that ties are ties and thresholds are met exactly


@st.composite
def proposals(draw):
    """masks (n, 3, 4), scores (n, 3), void (n,), on eighths."""
    n = draw(st.integers(0, 4))
    numbers = draw(st.lists(eighths, min_size=n * 16, max_size=n * 16))
    flat = torch.tensor(numbers, dtype=torch.float32).reshape(n, 16)
    return flat[:, :12].reshape(n, *SIZE), flat[:, 12:15], flat[:, 15] * 0.5


thresholds = st.fixed_dictionaries(
    {
        "object_mask_threshold": st.sampled_from([0.0, 0.25, 0.5]),
        "overlap_threshold": st.sampled_from([0.0, 0.5, 0.8, 1.0]),
        "mask_threshold": st.sampled_from([0.0, 0.25, 0.5, 0.75]),
    }
)


def test_a_hand_worked_row():
    masks = torch.tensor([[[0.9, 0.9, 0.6, 0.1]], [[0.1, 0.2, 0.9, 0.9]], [[0.1, 0.1, 0.6, 0.4]]])
    scores = torch.tensor([[0.8, 0.1], [0.1, 0.5], [0.3, 0.2]])
    label_map, mask_map, segments = panoptic_merge(masks, scores, torch.zeros(3), torch.tensor([True, False]))
    # score * probability: pixel 2 is 0.48 against 0.45 and 0.18, so mask 0; pixel 3 is 0.08 against 0.45, so mask 1
    # mask 0 won 3 of the 3 pixels where it reaches 0.5; mask 1 won 1 of 2, less than 0.8; mask 2 won nothing
    assert label_map.tolist() == [[1, 1, 1, 0]] and mask_map.tolist() == [[0, 0, 0, -1]]
    assert segments == [SegmentInfo(1, "", True, 3, pytest.approx(0.8), class_index=0, proposal=0)]
    label_map, mask_map, segments = panoptic_merge(
        masks, scores, torch.zeros(3), torch.tensor([True, False]), thresholds=MergeThresholds(overlap_threshold=0.5)
    )
    assert label_map.tolist() == [[1, 1, 1, 2]], "1 of 2 is not less than 0.5"
    assert mask_map.tolist() == [[0, 0, 0, 1]]
    assert segments[1] == SegmentInfo(2, "", False, 1, 0.5, class_index=1, proposal=1)


def test_a_mask_that_the_rest_wins_is_no_object():
    scores, void = torch.tensor([[0.4, 0.5], [0.4, 0.2], [0.4, 0.4]]), torch.tensor([0.3, 0.3, 0.1])
    asked, rivals = against_rest(scores, void, 1)
    assert torch.equal(asked, torch.tensor([[0.4]] * 3)) and torch.equal(rivals, torch.tensor([0.5, 0.3, 0.4]))
    masks = torch.ones(3, 1, 2)
    *_, segments = panoptic_merge(masks, asked, rivals, torch.tensor([True]))
    assert [segment.proposal for segment in segments] == [1], "equal is not better"
    assert all(same is whole for same, whole in zip(against_rest(scores, void, 2), (scores, void), strict=True))


def test_masks_that_lose_to_no_object_or_to_the_threshold_do_not_compete():
    masks, things = torch.ones(2, 1, 2), torch.tensor([True])
    scores = torch.tensor([[0.75], [0.5]])
    # the better mask is more likely nothing at all; equal is not better
    label_map, mask_map, segments = panoptic_merge(masks, scores, torch.tensor([0.75, 0.25]), things)
    assert (
        label_map.tolist() == [[1, 1]] and mask_map.tolist() == [[1, 1]] and [one.proposal for one in segments] == [1]
    )
    for threshold, kept in ((0.25, [1]), (0.5, [])):
        *_, segments = panoptic_merge(
            masks, scores, torch.tensor([0.9, 0.0]), things, thresholds=MergeThresholds(object_mask_threshold=threshold)
        )
        assert [one.proposal for one in segments] == kept


def test_a_mask_that_is_nowhere_likely_has_no_segment():
    """Nothing reaches 0.5, so there is no area to have kept a share of, however low `mask_threshold` lies."""
    faint, alone = torch.full((1, 1, 2), 0.4), (torch.ones(1, 1), torch.zeros(1), torch.tensor([True]))
    assert panoptic_merge(faint, *alone, thresholds=MergeThresholds(mask_threshold=0.25))[2] == []
    assert panoptic_merge(faint + 0.1, *alone, thresholds=MergeThresholds(mask_threshold=0.25))[0].tolist() == [[1, 1]]


def test_stuff_is_merged_and_things_are_not():
    masks = torch.tensor([[[1.0, 0.0, 0.0, 0.0]], [[0.0, 1.0, 1.0, 0.0]], [[0.0, 0.0, 0.0, 1.0]]])
    scores = torch.tensor([[1.0], [0.5], [1.0]])
    label_map, mask_map, segments = panoptic_merge(masks, scores, torch.zeros(3), torch.tensor([False]))
    assert label_map.tolist() == [[1, 1, 1, 1]] and mask_map.tolist() == [[0, 1, 1, 2]]
    # the score is weighed by area: (1 * 1 + 2 * 0.5 + 1 * 1) / 4; the largest mask stands for the segment
    assert segments == [SegmentInfo(1, "", False, 4, pytest.approx(0.75), class_index=0, proposal=1)]
    label_map, mask_map, segments = panoptic_merge(masks, scores, torch.zeros(3), torch.tensor([True]))
    assert label_map.tolist() == [[1, 2, 2, 3]] and [one.area for one in segments] == [1, 2, 1]
    assert [one.proposal for one in segments] == [0, 1, 2] and mask_map.tolist() == [[0, 1, 1, 2]]


def slow_merge(masks, scores, void, object_mask_threshold, overlap_threshold, mask_threshold):
    """The four rules in plain loops: (map, [(class, area)]), stuff merged."""
    pixels = [(y, x) for y in range(SIZE[0]) for x in range(SIZE[1])]
    label = {n: max(range(CLASSES), key=lambda c: float(scores[n, c])) for n in range(len(masks))}
    best = {n: float(scores[n, label[n]]) for n in label}
    kept = [n for n in label if best[n] > object_mask_threshold and best[n] > float(void[n])]
    owner = {p: max(kept, key=lambda n: best[n] * float(masks[n][p]), default=None) for p in pixels}
    segments, painted = [], dict.fromkeys(pixels, 0)
    for n in kept:
        won = [p for p in pixels if owner[p] == n]
        present = [p for p in pixels if masks[n][p] >= 0.5]
        mine = [p for p in won if masks[n][p] >= mask_threshold]
        if not mine or not present or len(won) / len(present) < overlap_threshold:
            continue
        same = [i for i, one in enumerate(segments) if one[0] == label[n] and not THINGS[label[n]]]
        if not same:
            segments.append([label[n], 0])
        number = same[0] if same else len(segments) - 1
        segments[number][1] += len(mine)
        painted.update(dict.fromkeys(mine, number + 1))
    return [[painted[y, x] for x in range(SIZE[1])] for y in range(SIZE[0])], segments


@settings(max_examples=100, deadline=None)
@given(proposals(), thresholds)
def test_agrees_with_a_slow_merge(found, limits):
    before = [one.clone() for one in found]
    label_map, _, segments = panoptic_merge(*found, THINGS, thresholds=MergeThresholds(**limits))
    wanted_map, wanted = slow_merge(*found, **limits)
    assert label_map.tolist() == wanted_map
    assert [[one.class_index, one.area] for one in segments] == wanted
    assert all(torch.equal(a, b) for a, b in zip(found, before, strict=True))


@settings(max_examples=100, deadline=None)
@given(proposals(), thresholds)
def test_every_map_is_a_panoptic_segmentation(found, limits):
    masks, scores, void = found
    label_map, mask_map, segments = panoptic_merge(masks, scores, void, THINGS, thresholds=MergeThresholds(**limits))
    assert label_map.dtype == torch.int32 and tuple(label_map.shape) == SIZE
    assert [one.id for one in segments] == list(range(1, len(segments) + 1))
    assert set(label_map.unique().tolist()) - {0} == {one.id for one in segments}
    assert mask_map.dtype == torch.int32 and torch.equal(mask_map >= 0, label_map > 0)
    stuff = [one.class_index for one in segments if not one.is_thing]
    assert len(stuff) == len(set(stuff)), "stuff of one class is one segment"
    best, labels = scores.max(1)
    for one in segments:
        mine = label_map == one.id
        assert int(mine.sum()) == one.area > 0
        behind = mask_map[mine]
        assert one.proposal in behind.tolist() and (one.is_thing is False or behind.unique().tolist() == [one.proposal])
        counted = torch.bincount(behind, minlength=len(masks))
        assert counted[one.proposal] == counted.max(), "the mask that covers most of it stands for it"
        assert one.is_thing == bool(THINGS[one.class_index])
        # only masks of its class that were kept may stand behind its pixels, one of them at every pixel
        behind = (labels == one.class_index) & (best > limits["object_mask_threshold"]) & (best > void)
        behind &= (torch.arange(len(best)) == one.proposal) if one.is_thing else torch.ones_like(behind)
        assert behind[one.proposal]
        assert (masks[behind][:, mine].amax(0) >= limits["mask_threshold"]).all()


@settings(max_examples=30, deadline=None)
@given(proposals(), st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_masks_on_another_grid_are_resized_as_if_before(found, size):
    masks, scores, void = found
    full = pixel_probabilities(masks, torch.arange(len(masks)), size)
    *maps, segments = panoptic_merge(masks, scores, void, THINGS, size)
    *wanted_maps, wanted = panoptic_merge(full, scores, void, THINGS)
    assert all(torch.equal(one, other) for one, other in zip(maps, wanted_maps, strict=True)) and segments == wanted


@pytest.mark.parametrize(("n", "c"), [(0, 2), (0, 0), (2, 0)])
def test_no_mask_or_no_class_is_all_void(n, c):
    flags = torch.zeros(c, dtype=torch.bool)
    label_map, mask_map, segments = panoptic_merge(torch.ones(n, 2, 2), torch.ones(n, c), torch.zeros(n), flags, (3, 5))
    assert label_map.tolist() == [[0] * 5] * 3 and mask_map.tolist() == [[-1] * 5] * 3 and segments == []


@settings(max_examples=150, deadline=None)
@given(st.tuples(st.integers(1, 5), st.integers(1, 5)), st.tuples(*[st.sampled_from([1, 2, 4])] * 2), thresholds, seeds)
def test_a_map_of_masks_is_merged_as_its_masks_are(grid, factors, limits, seed):
    """Numbers that float32 holds exactly, so that ties are ties; several masks have one score, and one has no cell."""
    generator = torch.Generator().manual_seed(seed)
    masks = MaskMap(torch.randint(-1, 4, grid, generator=generator), 5)
    scores = torch.randint(0, 5, (5, CLASSES), generator=generator) / 4
    rest = torch.randint(0, 3, (5,), generator=generator) / 4, THINGS
    size = (grid[0] * factors[0], grid[1] * factors[1])
    found, wanted = (
        panoptic_merge(form, scores, *rest, size, MergeThresholds(**limits)) for form in (masks, masks.drawn())
    )
    assert torch.equal(found[0], wanted[0]) and torch.equal(found[1], wanted[1]) and found[2] == wanted[2]
