"""Panoptic merge: overlapping soft masks to one label per pixel, by FC-CLIP's rule (method.md 1.8).

1. A mask keeps its best class if that beats "no object" and scores above `object_mask_threshold`.
2. A pixel belongs to the mask with the highest score * probability there.
3. A mask's segment is its own pixels whose probability is at least `mask_threshold`; it is dropped when the pixels it
   won are less than `overlap_threshold` of those where its probability reaches 0.5, or when nothing is left.
4. Stuff segments of one class share one id; ids start at 1 in the order of the masks, 0 is void.

Which mask a pixel came from is kept too: stuff may be made of hundreds of masks, each with reasons of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int32, Int64
from torch import Tensor

from retclip.algorithms.mask_frames import count_and_size, painted
from retclip.types import MaskLogits, SegmentInfo

CHUNK = 1 << 24  # pixels of full-size masks looked at together: 64 MB of float32
PRESENT = 0.5  # the probability at which FC-CLIP counts a pixel as a mask's original area


@dataclass(frozen=True)
class MergeThresholds:
    """Each in [0, 1]. A mask competes with a score above `object_mask_threshold`, has the pixels it won where its
    probability reaches `mask_threshold`, and is dropped if it won less than `overlap_threshold` of its area."""

    object_mask_threshold: float = 0.0
    overlap_threshold: float = 0.8
    mask_threshold: float = 0.5


FCCLIP = MergeThresholds()


def panoptic_merge(
    masks: Float[Tensor, "n y x"] | MaskLogits,
    scores: Float[Tensor, "n c"],
    void: Float[Tensor, "n"],
    is_thing: Bool[Tensor, "c"],
    size: tuple[int, int] | None = None,
    thresholds: MergeThresholds = FCCLIP,
) -> tuple[Int32[Tensor, "H W"], Int32[Tensor, "H W"], list[SegmentInfo]]:
    """The label map (H, W), the index of the mask that each pixel came from (-1 = void), and the segments; class names
    are left empty, `proposal` is the mask that covers most of the segment.

    masks: probabilities in [0, 1], or logits on a frame. size: (H, W) of the map; masks on another grid are painted a
    few at a time, so the peak does not grow with n. void: (n,), the probability of "no object".
    """
    _, natural, device = count_and_size(masks)
    size = size or natural
    best, labels = scores.max(dim=1) if scores.shape[1] else (void * 0, void.long())
    kept = ((best > thresholds.object_mask_threshold) & (best > void)).nonzero()[:, 0]
    if not len(kept):
        nothing = torch.zeros(size, dtype=torch.int32, device=device)
        return nothing, nothing - 1, []
    owner, probability, present = _owners(masks, best, kept, size)
    inside = probability >= thresholds.mask_threshold
    won, areas = (torch.bincount(owner[where], minlength=len(kept)) for where in (owner >= 0, inside))
    clear = (areas > 0) & (present > 0) & (won / present.clamp(min=1) >= thresholds.overlap_threshold)
    segments, ids = _segments(kept[clear].tolist(), areas[clear].tolist(), best, labels, is_thing)
    lookup = torch.zeros(len(kept), dtype=torch.int32, device=device)
    lookup[clear] = torch.tensor(ids, dtype=torch.int32, device=device)
    label_map = torch.where(inside, lookup[owner], 0).to(torch.int32)
    return label_map, torch.where(label_map > 0, kept[owner], -1).to(torch.int32), segments


def _owners(
    masks: Float[Tensor, "n y x"] | MaskLogits,
    best: Float[Tensor, "n"],
    kept: Int64[Tensor, "m"],
    size: tuple[int, int],
) -> tuple[Int64[Tensor, "H W"], Float[Tensor, "H W"], Int64[Tensor, "m"]]:
    """Per pixel the kept mask with the highest score * probability, the first of equals, and its probability there;
    per kept mask how many pixels reach PRESENT."""
    owner = torch.zeros(size, dtype=torch.int64, device=kept.device)
    highest = torch.full(size, -1.0, dtype=torch.float32, device=kept.device)
    probability, present = torch.zeros_like(highest), []
    step = max(1, CHUNK // (size[0] * size[1]))
    for start in range(0, len(kept), step):
        chosen = kept[start : start + step]
        full = painted(masks, chosen, size)
        value, first = (best[chosen, None, None] * full).max(dim=0)  # the first of equals, as torch documents it
        higher = value > highest
        highest = torch.where(higher, value, highest)
        probability = torch.where(higher, full.gather(0, first[None])[0], probability)
        owner = torch.where(higher, first + start, owner)
        present.append((full >= PRESENT).sum(dim=(1, 2)))
    return owner, probability, torch.cat(present)


def _segments(
    masks: list[int], areas: list[int], best: Float[Tensor, "n"], labels: Tensor, is_thing: Bool[Tensor, "c"]
) -> tuple[list[SegmentInfo], list[int]]:
    """The segments, and per mask the id of its segment: masks of one stuff class share one."""
    segments: list[SegmentInfo] = []
    ids: list[int] = []
    stuff: dict[int, int] = {}  # class -> position in `segments`
    largest: dict[int, int] = {}  # class -> the area of its largest mask
    for n, area in zip(masks, areas, strict=True):
        label, score = int(labels[n]), float(best[n])
        if label in stuff:
            leads = area > largest[label]
            segments[stuff[label]] = _grown(segments[stuff[label]], area, score, n if leads else None)
            largest[label] = max(largest[label], area)
            ids.append(segments[stuff[label]].id)
            continue
        thing = bool(is_thing[label])
        if not thing:
            stuff[label], largest[label] = len(segments), area
        segments.append(SegmentInfo(len(segments) + 1, "", thing, area, score, class_index=label, proposal=n))
        ids.append(len(segments))
    return segments, ids


def _grown(earlier: SegmentInfo, area: int, score: float, leading: int | None) -> SegmentInfo:
    """A stuff segment with one more mask; the score becomes the mean weighted by area. leading: the mask's index where
    it is the largest so far."""
    total = earlier.area + area
    mean = (earlier.score * earlier.area + score * area) / total
    proposal = earlier.proposal if leading is None else leading
    return replace(earlier, area=total, score=mean, proposal=proposal)
