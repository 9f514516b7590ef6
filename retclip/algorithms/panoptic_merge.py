"""Panoptic merge: overlapping soft masks to one label per pixel, by FC-CLIP's rule (method.md 1.8).

1. A mask is a candidate if its best class beats "no object" and scores above `object_mask_threshold`.
2. A pixel belongs to the candidate with the highest score * probability there.
3. A candidate's segment is its pixels whose probability is at least `mask_threshold`; it is dropped if its pixels are
   less than `overlap_threshold` of those where its probability reaches 0.5, or if no pixel is left.
4. Stuff segments of one class share one id; ids start at 1 in the order of the masks, 0 is void.

The mask of each pixel is returned too: a stuff segment may consist of hundreds of masks, each with its own evidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from retclip.algorithms.mask_frames import count_and_size
from retclip.algorithms.mask_maps import map_bands
from retclip.algorithms.mask_tiles import mask_tiles
from retclip.mask_proposals import NOBODY
from retclip.types import MaskLogits, MaskMap, SegmentInfo

PRESENT = 0.5  # the probability from which FC-CLIP counts a pixel to a mask's original area
SLACK = 1e-5  # by how much rounding may lift a mask above its bounds
# Rows and columns of a part of the photo, of its pixels (h, w) the candidate, and that mask's probability there.
Piece = tuple[slice, slice, Int64[Tensor, "h w"], Float[Tensor, "h w"]]


@dataclass(frozen=True)
class MergeThresholds:
    """The thresholds of the merge, each in [0, 1]; defaults are FC-CLIP's.

    object_mask_threshold: a mask is a candidate with a higher score.
    overlap_threshold: a candidate is dropped if it keeps a smaller share of its original area.
    mask_threshold: a pixel is void where its candidate's probability is lower.
    """

    object_mask_threshold: float = 0.0
    overlap_threshold: float = 0.8
    mask_threshold: float = 0.5


FCCLIP = MergeThresholds()


def panoptic_merge(
    masks: Float[Tensor, "n y x"] | MaskMap | MaskLogits,
    scores: Float[Tensor, "n c"],
    void: Float[Tensor, "n"],
    is_thing: Bool[Tensor, "c"],
    size: tuple[int, int] | None = None,
    thresholds: MergeThresholds = FCCLIP,
) -> tuple[Int32[Tensor, "H W"], Int32[Tensor, "H W"], list[SegmentInfo]]:
    """Return the label map (H, W), 0 = void, the mask map (H, W), -1 = void, and the segments.

    The mask map has the index of the mask that a pixel comes from. Segments have an empty class name; their `proposal`
    is the mask that covers most of the segment. Masks are looked at tile by tile, so that the memory peak is
    that of the maps, and only those that may decide a tile are upsampled to its pixels.

    masks: (n, y, x) probabilities in [0, 1], a map of masks, or logits in a padded frame.
    scores: (n, c) in [0, 1], already multiplied by 1 - void.
    void: (n,) probability of "no object", in [0, 1].
    is_thing: (c,) True for countable classes.
    size: (H, W) of the maps; None = that of `masks`.
    """
    _, natural, device = count_and_size(masks)
    size = size or natural
    best, labels = best_classes(scores)  # (n,), (n,)
    candidates = is_candidate(best, void, thresholds).nonzero()[:, 0]  # (m,)
    if not len(candidates):
        zeros = torch.zeros(size, dtype=torch.int32, device=device)  # (H, W)
        return zeros, zeros - 1, []
    owner, won, areas, present = _owners(masks, best, candidates, size, thresholds.mask_threshold)
    valid = survives(areas, won, present, thresholds)  # (m,)
    segments, ids = _segments(candidates[valid].tolist(), areas[valid].tolist(), best, labels, is_thing)
    segment_of, mask_of = owner.new_zeros(len(valid) + 1), owner.new_full((len(valid) + 1,), NOBODY)  # the last: void
    segment_of[:-1][valid], mask_of[:-1][valid] = owner.new_tensor(ids), candidates[valid].to(owner)
    label_map, mask_map = (table.index_select(0, owner.view(-1)).view(size) for table in (segment_of, mask_of))
    return label_map, mask_map, segments


def against_rest(
    scores: Float[Tensor, "n c"], void: Float[Tensor, "n"], asked: int
) -> tuple[Float[Tensor, "n a"], Float[Tensor, "n"]]:
    """Return the scores of the classes that were asked for, and what the best of them is held against.

    What is stored and was not asked for may compete as the last class, the rest (`segment.unasked`). A mask that it
    wins is no object, so it takes no pixel from another.

    asked: a, how many of the classes, the first, were asked for.

    Worked example with a = 1: scores (0.4, 0.5) beside v = 0.3 become 0.4 against 0.5; (0.4, 0.2) become 0.4 against
    0.3.
    """
    if asked == scores.shape[1]:
        return scores, void
    return scores[:, :asked], torch.maximum(void, scores[:, asked:].amax(dim=1).to(void))


def best_classes(scores: Float[Tensor, "*s n c"]) -> tuple[Float[Tensor, "*s n"], Int64[Tensor, "*s n"]]:
    """Return the best score of each mask, and its class; of equal ones the first."""
    if not scores.shape[-1]:
        return scores.new_zeros(scores.shape[:-1]), torch.zeros(scores.shape[:-1], dtype=torch.int64)
    best, labels = scores.max(dim=-1)
    return best, labels


def is_candidate(
    best: Float[Tensor, "*s n"], void: Float[Tensor, "n"], thresholds: MergeThresholds
) -> Bool[Tensor, "*s n"]:
    """Return step 1 of the module: which masks may become segments. best: as `best_classes` returns it."""
    return (best > thresholds.object_mask_threshold) & (best > void)


def survives(
    areas: Int64[Tensor, "*s m"], won: Int64[Tensor, "*s m"], present: Int64[Tensor, "m"], thresholds: MergeThresholds
) -> Bool[Tensor, "*s m"]:
    """Return step 3 of the module: which candidates are left.

    areas: pixels of each segment; won: those that the candidate has the highest score in; present: its original area.
    """
    return (areas > 0) & (present > 0) & (won / present.clamp(min=1) >= thresholds.overlap_threshold)


def _owners(
    masks: Float[Tensor, "n y x"] | MaskMap | MaskLogits,
    best: Float[Tensor, "n"],
    candidates: Int64[Tensor, "m"],
    size: tuple[int, int],
    mask_threshold: float,
) -> tuple[Int32[Tensor, "H W"], Int64[Tensor, "m"], Int64[Tensor, "m"], Int64[Tensor, "m"]]:
    """Return per pixel its candidate, and per candidate the pixels won, those of its segment, and its original area.

    A pixel's candidate is the one with the highest score * probability, the first of equals, as a position in
    `candidates`; m where its probability is below `mask_threshold`. The original area counts the pixels whose
    probability reaches PRESENT. The pixels are counted piece by piece, so that the only map is one of 4 bytes a pixel.
    """
    count, present = len(candidates), torch.zeros_like(candidates)
    owner = torch.empty(size, dtype=torch.int32, device=candidates.device)  # (H, W)
    counts = candidates.new_zeros(2 * count)  # of each candidate the pixels below the threshold, then those from it on
    given = best, candidates, size, present
    pieces = _pieces_of_map(masks, *given) if isinstance(masks, MaskMap) else _pieces(masks, *given)
    for rows, columns, place, probability in pieces:
        inside = probability >= mask_threshold  # (h, w)
        owner[rows, columns] = torch.where(inside, place, count)
        counts += torch.bincount((2 * place + inside).flatten(), minlength=2 * count)
    outside, areas = counts.view(count, 2).unbind(dim=1)  # (m,), (m,)
    return owner, outside + areas, areas, present


def _pieces(
    masks: Float[Tensor, "n y x"] | MaskLogits,
    best: Float[Tensor, "n"],
    candidates: Int64[Tensor, "m"],
    size: tuple[int, int],
    present: Int64[Tensor, "m"],
) -> Iterator[Piece]:
    """Yield each tile's candidates and their probabilities; the original areas are added to `present`."""
    score = best[candidates].float()  # (m,)
    for tile in mask_tiles(masks, size):
        shape = tile.rows.stop - tile.rows.start, tile.columns.stop - tile.columns.start
        least, most = (bound[candidates] for bound in tile.bounds())  # (m,), (m,)
        may_win = (most > 0) & (score * most >= (score * least).max() * (1 - SLACK))  # (m,)
        unclear = (least < PRESENT + SLACK) & (
            most > PRESENT - SLACK
        )  # (m,) whether all of the tile is present, or none
        present += shape[0] * shape[1] * (least >= PRESENT + SLACK)
        places = (may_win | unclear).nonzero()[:, 0]  # (b,)
        if not len(places):
            yield tile.rows, tile.columns, candidates.new_zeros(shape), score.new_zeros(shape)
            continue
        probabilities = tile.probabilities(candidates[places])  # (b, h, w)
        counted = unclear[places]  # (b,)
        present[places[counted]] += probabilities[counted].ge_(PRESENT).sum(dim=(1, 2)).long()
        place, likely = _winners(score[places, None, None] * probabilities, probabilities)  # (h, w), (h, w)
        yield tile.rows, tile.columns, torch.where(likely > 0, places[place], 0), likely


def _winners(
    values: Float[Tensor, "b h w"], probabilities: Float[Tensor, "b h w"]
) -> tuple[Int64[Tensor, "h w"], Float[Tensor, "h w"]]:
    """Return where the largest value of each pixel stands, the first of equals, and the probability there.

    Two maxima over vectors are ten times as fast as one that keeps the index. `values` are overwritten.
    """
    ranks = torch.arange(len(values), 0, -1, device=values.device, dtype=values.dtype)[:, None, None]  # (b, 1, 1)
    place = len(values) - values.eq_(values.amax(dim=0)).mul_(ranks).amax(dim=0).long()  # (h, w)
    return place, probabilities.gather(0, place[None])[0]


def _pieces_of_map(
    masks: MaskMap,
    best: Float[Tensor, "n"],
    candidates: Int64[Tensor, "m"],
    size: tuple[int, int],
    present: Int64[Tensor, "m"],
) -> Iterator[Piece]:
    """Yield what `_pieces` does of bands: at a pixel all masks but the few around it have a probability of 0."""
    position = candidates.new_full((masks.count + 1,), NOBODY)  # (n + 1,) of each mask, the last of no mask
    position[candidates] = torch.arange(len(candidates), device=candidates.device)
    start = 0
    for around, shares in map_bands(masks, size):  # (k, h, W), (k, h, W)
        owner, probability = torch.zeros_like(around[0]), torch.zeros_like(shares[0])  # (h, W): the first, with nothing
        highest = torch.zeros_like(probability)
        for place, share in zip(position[around], shares, strict=True):
            value = best[candidates[place]] * share
            wins = (place >= 0) & ((value > highest) | ((value == highest) & (place < owner)))
            owner, highest = torch.where(wins, place, owner), torch.where(wins, value, highest)
            probability = torch.where(wins, share, probability)
            present += torch.bincount(place[(place >= 0) & (share >= PRESENT)], minlength=len(candidates))
        rows = slice(start, start := start + len(owner))
        yield rows, slice(0, size[1]), owner, probability


def _segments(
    masks: list[int], areas: list[int], best: Float[Tensor, "n"], labels: Tensor, is_thing: Bool[Tensor, "c"]
) -> tuple[list[SegmentInfo], list[int]]:
    """Return the segments, and per mask the id of its segment; masks of one stuff class share a segment.

    masks: index of each mask that is left.
    areas: its pixels.
    best, labels: (n,) score and class index of every mask.
    """
    segments: list[SegmentInfo] = []
    ids: list[int] = []
    stuff: dict[int, int] = {}  # class -> position in `segments`
    largest: dict[int, int] = {}  # class -> the area of its largest mask
    for n, area in zip(masks, areas, strict=True):
        label, score = int(labels[n]), float(best[n])
        if label in stuff:
            is_largest = area > largest[label]
            segments[stuff[label]] = _merged(segments[stuff[label]], area, score, n if is_largest else None)
            largest[label] = max(largest[label], area)
            ids.append(segments[stuff[label]].id)
            continue
        countable = bool(is_thing[label])
        if not countable:
            stuff[label], largest[label] = len(segments), area
        segments.append(SegmentInfo(len(segments) + 1, "", countable, area, score, class_index=label, proposal=n))
        ids.append(len(segments))
    return segments, ids


def _merged(segment: SegmentInfo, area: int, score: float, largest: int | None) -> SegmentInfo:
    """Return a stuff segment with one more mask; its score is the mean weighted by area.

    area, score: of the mask.
    largest: the mask's index if it is the largest so far, else None.
    """
    total = segment.area + area
    mean = (segment.score * segment.area + score * area) / total
    proposal = segment.proposal if largest is None else largest
    return replace(segment, area=total, score=mean, proposal=proposal)
