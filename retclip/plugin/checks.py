"""What the core checks of every plugin's answer before it believes it. Raises ContractBroken, naming the component."""

from __future__ import annotations

from collections.abc import Sequence

from retclip.errors import ContractBroken, ShapeError
from retclip.shapes import check_flags, check_range, check_shape
from retclip.types import ClassScores, Image, MaskProposals, SegmentFeatures, Vocabulary

ROUNDING = 1e-5  # what resizing and softmax may add to a probability
UNIT_TOLERANCE = 1e-2  # half-precision backbones keep the length to about 1e-3


def checked_proposals(found: Sequence[MaskProposals], images: Sequence[Image], component: str) -> list[MaskProposals]:
    """One valid answer per image: masks (n, y, x) and objectness (n,) in [0, 1], prompts one per mask."""
    if len(found) != len(images):
        raise _broken(component, f"{len(images)} answers, one per image", f"{len(found)}")
    for proposals, image in zip(found, images, strict=True):
        try:
            sizes = check_shape("masks", proposals.masks, "n y x")
            check_shape("objectness", proposals.objectness, "n", sizes)
            check_range("masks", proposals.masks, 0.0, 1.0, ROUNDING)
            check_range("objectness", proposals.objectness, 0.0, 1.0, ROUNDING)
        except ShapeError as error:
            raise _broken(component, error.expected, error.got) from error
        if tuple(proposals.image_size) != image.size:
            raise _broken(component, f"image_size {image.size}", f"{proposals.image_size}")
        if proposals.prompts is not None and len(proposals.prompts) != len(proposals):
            raise _broken(component, f"{len(proposals)} prompts", f"{len(proposals.prompts)}")
    return list(found)


def checked_segments(found: SegmentFeatures, masks: int, component: str) -> SegmentFeatures:
    """A unit vector per covered mask, in the space the backbone says."""
    try:
        check_shape("vectors", found.vectors, "n d", {"n": masks, "d": found.space.dim})
        check_shape("covered", found.covered, "n", {"n": masks})
        check_flags("covered", found.covered)
    except ShapeError as error:
        raise _broken(component, error.expected, error.got) from error
    lengths = found.vectors[found.covered].norm(dim=-1)
    if not bool(((lengths - 1.0).abs() < UNIT_TOLERANCE).all()):  # also false for NaN
        raise _broken(component, "finite vectors of length 1", f"lengths {lengths.min():g} to {lengths.max():g}")
    return found


def checked_scores(found: ClassScores, masks: int, vocabulary: Vocabulary, component: str) -> ClassScores:
    """(n, c) scores in [0, 1], and whether each class is known."""
    try:
        sizes = check_shape("values", found.values, "n c", {"n": masks, "c": len(vocabulary)})
        check_shape("knows", found.knows, "c", sizes)
        check_flags("knows", found.knows)
        check_range("values", found.values, 0.0, 1.0, ROUNDING)
        if found.void is not None:
            check_shape("void", found.void, "n", sizes)
            check_range("void", found.void, 0.0, 1.0, ROUNDING)
    except ShapeError as error:
        raise _broken(component, error.expected, error.got) from error
    return found


def _broken(component: str, expected: str, got: str) -> ContractBroken:
    return ContractBroken(
        f"{expected} from {component}", got, f"report it to the plugin's author: retclip plugins check {component}"
    )
