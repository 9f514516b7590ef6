"""What is tried of a mask proposer: masks in range and in order, names of the vocabulary, the same in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retclip.algorithms.mask_pooling import area_weights
from retclip.algorithms.mask_tree import leaves, summed_up
from retclip.errors import ContractBroken, DataError
from retclip.plugin.checks import checked_proposals
from retclip.plugin.conformance import mask_contents
from retclip.plugin.conformance.comparison import TOLERANCE, equal
from retclip.plugin.conformance.examples import NAMES, photos, quadrants, unchanged, vocabulary
from retclip.plugin.conformance.loaded_weights import hint
from retclip.plugin.contracts import ANNOTATION, LEVELS, PATCHES, REGIONS, WHOLE
from retclip.plugin.discovery import ComponentInfo
from retclip.regions import Region
from retclip.types import DenseFeatures, FeatureSpace, Image, MaskProposals

COMPANY = "let no answer depend on what else is in the batch"
SIDES = (("top", "bottom"), ("left", "right"))
SHARES = "it shares a backbone's features: test it together with that backbone"


def _features(images: Sequence[Image]) -> list[DenseFeatures]:
    """Features of nothing in particular: a proposer that shares a backbone cannot be tried with them."""
    space = FeatureSpace("conformance", "none", "none", "none", 4)
    return [DenseFeatures(torch.zeros(4, 3, 4), space, image.size) for image in images]


def _proposals(proposer: Any, images: Sequence[Image], info: ComponentInfo) -> list[MaskProposals]:
    return checked_proposals(proposer.propose(images, vocabulary(), _features(images)), images, info.full_name)


def _masks(proposer: Any, info: ComponentInfo) -> object:
    if LEVELS in info.component.needs:
        return SHARES
    images = photos()
    for proposals, image in zip(_proposals(proposer, images, info), images, strict=True):
        unchanged(image)
        if len(proposals) and bool((proposals.objectness.diff() > TOLERANCE).any()):
            raise ContractBroken("the highest objectness first", "another order", "sort the proposals")
        strange = {prompt for prompt in proposals.prompts or () if prompt is not None} - set(NAMES)
        if strange:
            raise ContractBroken("prompts from the vocabulary", ", ".join(sorted(strange)), "use its names")
    return None


def _masks_in_batch(proposer: Any, info: ComponentInfo) -> object:
    if LEVELS in info.component.needs:
        return SHARES
    images = photos()
    for image, together in zip(images, _proposals(proposer, images, info), strict=True):
        alone = _proposals(proposer, [image], info)[0]
        equal("masks alone and in a batch", alone.masks, together.masks, hint(proposer) or COMPANY)
        equal("objectness alone and in a batch", alone.objectness, together.objectness, hint(proposer) or COMPANY)
        if alone.prompts != together.prompts:
            raise ContractBroken("the same prompts alone and in a batch", f"{together.prompts}", COMPANY)
    return None


def _contents(proposer: Any, info: ComponentInfo) -> object:
    if LEVELS in info.component.needs:
        return SHARES
    if {ANNOTATION, REGIONS} & set(info.component.provides):
        return "it goes by what was annotated or marked"
    batches = _proposals(proposer, mask_contents.photos(), info)
    return mask_contents.check_contents([proposals.masks for proposals in batches])


def _named(proposer: Any, info: ComponentInfo) -> object:
    if ANNOTATION not in info.component.provides:
        return "it does not claim annotated masks"
    for image, proposals in zip(photos(), _proposals(proposer, photos(), info), strict=True):
        _check_annotated(image, proposals)
    bare = replace(photos()[0], truth=None)
    try:
        proposer.propose([bare], vocabulary(), _features([bare]))
    except DataError:
        return None
    raise ContractBroken("DataError for a photo without annotation", "an answer", "refuse it")


def _check_annotated(image: Image, proposals: MaskProposals) -> None:
    """Raises ContractBroken for a mask that lies on less of its own segment than on the other one."""
    if image.truth is None:
        return
    for mask, prompt in zip(proposals.masks, proposals.prompts or (), strict=False):
        ids = [segment.id for segment in image.truth.segments if segment.class_name == prompt]
        own = torch.from_numpy(np.isin(image.truth.label_map, ids)).float()[None]  # (1, H, W)
        share = area_weights(own, (mask.shape[0], mask.shape[1]))[0].to(mask.device)
        if float((mask * share).sum()) < 0.5 * float(mask.sum()):
            got = f"a mask of {prompt!r} that mostly lies beside what is annotated as such"
            raise ContractBroken("masks where the annotation has them", got, "give them over the whole photo")


def _marked(proposer: Any, info: ComponentInfo) -> object:
    if REGIONS not in info.component.provides:
        return "it does not claim to find marked objects"
    for proposals in _proposals(proposer, photos(), info):
        if sorted(map(str, proposals.prompts or ())) != sorted(NAMES[:2]):
            raise ContractBroken("a mask for each marked object that is asked for", f"{proposals.prompts}", "give it")
    _check_boxes(proposer, info)
    bare = replace(photos()[0], regions=())
    try:
        proposer.propose([bare], vocabulary(), _features([bare]))
    except DataError:
        return None
    raise ContractBroken("DataError for a photo in which nothing is marked", "an answer", "refuse it")


def _check_boxes(proposer: Any, info: ComponentInfo) -> None:
    """Raises ContractBroken where the masks of boxes in the corners lie in the opposite halves, all of them."""
    height, width = 48, 64
    corners = [(0, 0), (0, width / 2), (height / 2, 0), (height / 2, width / 2)]
    boxes = [(x, y, x + width / 2, y + height / 2) for y, x in corners]
    plain = quadrants(height, width, 0)
    marked = [replace(plain, regions=(Region(NAMES[0], box),)) for box in boxes]
    for axis, ends in enumerate(SIDES):
        beside = []
        for proposals, box in zip(_proposals(proposer, marked, info), boxes, strict=True):
            sums = proposals.masks.float().sum(dim=(0, 2 - axis))  # (y,) or (x,)
            half = len(sums) // 2
            own = sums[half:] if box[1 - axis] > 0 else sums[: len(sums) - half]
            beside.append(float(own.sum()) < 0.25 * float(sums.sum()) and half > 0)
        if all(beside):
            got = f"masks at the {ends[1]} for boxes at the {ends[0]}, and the other way round"
            raise ContractBroken(
                "masks where the boxes are", got, "check the order of x and y, and of rows and columns"
            )


def _whole(proposer: Any, info: ComponentInfo) -> object:
    if WHOLE not in info.component.provides:
        return "it does not claim to take the whole photo"
    for proposals in _proposals(proposer, photos(), info):
        if len(proposals) != 1 or not bool((proposals.masks == 1).all()):
            raise ContractBroken("one mask, of ones, of the whole photo", f"{len(proposals)} masks", "leave out WHOLE")
    return None


def _patches(proposer: Any, info: ComponentInfo) -> object:  # noqa: ARG001  a claim that contradicts another
    provides = info.component.provides
    if PATCHES not in provides:
        return "its masks claim whole objects"
    if objects := sorted(provides & {ANNOTATION, REGIONS, WHOLE}):
        got = f"PATCHES together with {', '.join(objects)}"
        raise ContractBroken("masks that are either patches or whole objects", got, "leave out one of the two")
    return None


def _tree(proposer: Any, info: ComponentInfo) -> object:
    if LEVELS in info.component.needs:
        return SHARES
    batches = _proposals(proposer, photos(), info)
    trees = [(proposals.masks.float(), proposals.parents) for proposals in batches if proposals.parents is not None]
    if not trees:
        return "its masks are no tree"
    for masks, parents in trees:
        whole = summed_up(masks[leaves(parents).to(masks.device)], parents)
        if not torch.allclose(whole, masks, atol=TOLERANCE):
            raise ContractBroken("masks that are the sum of their children's", "others", "add them up, or no parents")
    return None


def answers(proposer: Any, info: ComponentInfo) -> list[Tensor] | str:
    """What it says of a photo, to be compared with what it says after it was loaded anew; or why it is not asked."""
    if LEVELS in info.component.needs:
        return SHARES
    (proposals,) = _proposals(proposer, photos()[:1], info)
    return [proposals.masks.clone(), proposals.objectness.clone()]


CHECKS = (
    ("masks", _masks),
    ("masks lie where they should", _contents),
    ("alone as in a batch", _masks_in_batch),
    ("a photo without annotation", _named),
    ("marked objects", _marked),
    ("the whole photo", _whole),
    ("patches or objects", _patches),
    ("a tree of masks", _tree),
)
