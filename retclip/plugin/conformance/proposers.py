"""What is tried of a mask proposer: masks in range and in order, names of the vocabulary, the same in a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from retclip.algorithms.mask_tree import leaves, summed_up
from retclip.errors import ContractBroken, DataError
from retclip.plugin.checks import checked_proposals
from retclip.plugin.conformance.comparison import TOLERANCE, equal
from retclip.plugin.conformance.examples import NAMES, photos, unchanged, vocabulary
from retclip.plugin.contracts import ANNOTATION, LEVELS, PATCHES, REGIONS, WHOLE
from retclip.plugin.discovery import ComponentInfo
from retclip.types import DenseFeatures, FeatureSpace, Image, MaskProposals

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
        equal("masks alone and in a batch", _proposals(proposer, [image], info)[0].masks, together.masks)
    return None


def _named(proposer: Any, info: ComponentInfo) -> object:
    if ANNOTATION not in info.component.provides:
        return "it does not claim annotated masks"
    bare = replace(photos()[0], truth=None)
    try:
        proposer.propose([bare], vocabulary(), _features([bare]))
    except DataError:
        return None
    raise ContractBroken("DataError for a photo without annotation", "an answer", "refuse it")


def _marked(proposer: Any, info: ComponentInfo) -> object:
    if REGIONS not in info.component.provides:
        return "it does not claim to find marked objects"
    for proposals in _proposals(proposer, photos(), info):
        if sorted(map(str, proposals.prompts or ())) != sorted(NAMES[:2]):
            raise ContractBroken("a mask for each marked object that is asked for", f"{proposals.prompts}", "give it")
    bare = replace(photos()[0], regions=())
    try:
        proposer.propose([bare], vocabulary(), _features([bare]))
    except DataError:
        return None
    raise ContractBroken("DataError for a photo in which nothing is marked", "an answer", "refuse it")


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
    found = _proposals(proposer, photos(), info)
    trees = [(proposals.masks.float(), proposals.parents) for proposals in found if proposals.parents is not None]
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
    ("alone as in a batch", _masks_in_batch),
    ("a photo without annotation", _named),
    ("marked objects", _marked),
    ("the whole photo", _whole),
    ("patches or objects", _patches),
    ("a tree of masks", _tree),
)
