"""Names masks that a proposer left without one, in photos whose pixels are annotated: by the majority under each mask.

The pixels that vote are those that are stored. What lies on top votes first. Where that gives no majority and annotated
objects overlap, their complete masks vote: a bowl full of apples is a bowl. The annotation's own masks may be stored
beside them, so that no class is lost that is the majority nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from retclip.algorithms.majority_labels import SILENT, Majority, class_votes, majority_labels
from retclip.algorithms.mask_tree import leaves
from retclip.annotated_objects import ObjectMask
from retclip.passed_over import TOO_MANY, Tally
from retclip.types import MaskMap, MaskProposals, PanopticSegmentation
from retclip.workflows.segment.masks import binary, owners_of_pixels

UNDECIDED = "masks without a majority of the annotation"
OUTSIDE = "masks mostly outside the annotation"


def majority_named(
    proposals: MaskProposals,
    truth: PanopticSegmentation,
    class_names: Sequence[str],
    threshold: float,
    most: int,
    tally: Tally,
) -> tuple[MaskProposals, list[float]]:
    """Return the masks whose majority is one of the classes, best first, and the share of each.

    Of a tree of masks the leaves are named: their unions show the same pixels again, and as stored segments they
    outvote the leaves of smaller things.

    class_names: to build; masks of other classes are left out uncounted, as annotated masks of other classes are.
    threshold: a majority has a larger share (`build.majority_share`).
    most: how many masks at most, of the highest objectness.
    tally: counts what is passed over.
    """
    if proposals.parents is not None:
        proposals = proposals.picked(leaves(proposals.parents).nonzero()[:, 0])
    names = list(dict.fromkeys(segment.class_name for segment in truth.segments if not segment.is_crowd))
    majority = _majority(proposals, truth, names, threshold)
    is_built = np.array([*(name in class_names for name in names), False])  # (c + 1,), the last for SILENT
    kept = torch.from_numpy(np.flatnonzero(is_built[majority.label]))  # (m,)
    kept = kept[torch.argsort(proposals.objectness.cpu()[kept], descending=True, stable=True)]  # (m,) best first
    tally.skip(OUTSIDE, int(majority.outside.sum()))
    tally.skip(UNDECIDED, int(((majority.label == SILENT) & ~majority.outside).sum()))
    tally.skip(TOO_MANY, max(0, len(kept) - most))
    kept = kept[:most]
    prompts = tuple(names[majority.label[n]] for n in kept.tolist())
    return proposals.picked(kept).replaced(prompts=prompts), majority.share[kept.numpy()].tolist()


def annotated_masks(labelled: MaskProposals, truth: PanopticSegmentation, class_names: Sequence[str]) -> MaskProposals:
    """Return the annotation's own masks of those classes.

    They are brought to the grid of the others, `labelled`; one that covers no half of any cell there is left out.
    Crowds are, too.
    """
    height, width = labelled.grid
    masks, names = [torch.zeros(0, height, width)], list[str]()
    for segment in truth.segments:
        if segment.is_crowd or segment.class_name not in class_names:
            continue
        visible = torch.from_numpy(truth.label_map == segment.id).float()[None, None]  # (1, 1, H, W)
        mask = interpolate(visible, (height, width), mode="area")[0]  # (1, y, x)
        if bool((mask > 0.5).any()):
            masks.append(mask)
            names.append(segment.class_name)
    both = torch.cat(masks).to(labelled.device)  # (m, y, x)
    return MaskProposals(both, both.new_ones(len(names)), labelled.image_size, tuple(names))


def _majority(
    proposals: MaskProposals, truth: PanopticSegmentation, names: Sequence[str], threshold: float
) -> Majority:
    """Return the majority of each mask: of what lies on top, or else of complete objects.

    names: (c,) classes that vote.
    """
    class_map = _class_map(truth, names)  # (H, W)
    area, votes = _votes(proposals, class_map, len(names))  # (n,), (n, c)
    voters = votes.sum(axis=1)  # (n,)
    on_top = majority_labels(votes, voters, area, threshold)
    undecided = np.flatnonzero((on_top.label == SILENT) & ~on_top.outside)  # (m,)
    objects = [known for known in (truth.objects.objects if truth.objects else ()) if not known.is_crowd]
    if not objects or not len(undecided):
        return on_top
    flat = [np.flatnonzero(binary(proposals, n) & (class_map >= 0)) for n in undecided.tolist()]
    votes[undecided] = _complete_votes(flat, objects, names, class_map.shape)
    complete = majority_labels(votes[undecided], voters[undecided], area[undecided], threshold)
    on_top.label[undecided], on_top.share[undecided] = complete.label, complete.share
    return on_top


def _votes(
    proposals: MaskProposals, class_map: NDArray[np.int32], classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (n,) the pixels of each mask, and (n, c) how many of them show each class."""
    if isinstance(proposals.finest, MaskMap):
        owners = owners_of_pixels(proposals.finest, proposals.image_size)  # (H, W)
        shown = ((owners + 1) * (classes + 1) + class_map + 1).ravel()  # a pair of mask and class, none of both first
        votes = np.bincount(shown, minlength=(len(proposals) + 1) * (classes + 1)).reshape(-1, classes + 1)[1:]
        return votes.sum(axis=1), votes[:, 1:]
    votes = np.zeros((len(proposals), classes), np.int64)  # (n, c)
    area = np.zeros(len(proposals), np.int64)  # (n,)
    for n in range(len(proposals)):
        pixels = binary(proposals, n)  # (H, W)
        area[n], votes[n] = np.count_nonzero(pixels), class_votes(pixels, class_map, classes)
    return area, votes


def _class_map(truth: PanopticSegmentation, names: Sequence[str]) -> NDArray[np.int32]:
    """Return (H, W) the index of each pixel's class in `names`, -1 for void and crowds."""
    voting = sorted((segment.id, names.index(segment.class_name)) for segment in truth.segments if not segment.is_crowd)
    if not voting:
        return np.full(truth.label_map.shape, SILENT, np.int32)
    ids, classes = np.array(voting, np.int32).T  # (s,), (s,)
    nearest = np.searchsorted(ids, truth.label_map).clip(max=len(ids) - 1)  # (H, W)
    return np.where(ids[nearest] == truth.label_map, classes[nearest], SILENT).astype(np.int32)


def _complete_votes(
    masks: Sequence[NDArray[np.int64]], objects: Iterable[ObjectMask], names: Sequence[str], size: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return (m, c) how many of each mask's pixels lie in complete objects of each class.

    masks: flat indices of the pixels that vote.
    size: (H, W).
    """
    by_class: dict[str, list[ObjectMask]] = {}
    for known in objects:
        by_class.setdefault(known.class_name, []).append(known)
    votes = np.zeros((len(masks), len(names)), np.int64)  # (m, c)
    for index, name in enumerate(names):
        union = np.zeros(size, dtype=np.bool_)  # (H, W)
        for known in by_class.get(name, ()):
            union[known.box] |= known.within_box()
        votes[:, index] = [np.count_nonzero(union.ravel()[pixels]) for pixels in masks]
    return votes
