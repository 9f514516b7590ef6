"""What the core checks of every plugin's answer before it believes it. Raises ContractBroken, naming the component.

Vectors and scores come back in float32, whatever precision a model works in: in bfloat16 two classes out of a hundred
are often equal, and the first would win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from retclip.errors import ContractBroken, ShapeError
from retclip.names import checked_name, distinct
from retclip.plugin.contracts import SourceClass
from retclip.shapes import check_flags, check_range, check_shape
from retclip.types import (
    ClassScores,
    DenseFeatures,
    FeatureSpace,
    Image,
    MaskProposals,
    Neighbours,
    SegmentFeatures,
    Vocabulary,
)  # fmt: skip

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-5  # what resizing and softmax may add to a probability
UNIT_TOLERANCE = 1e-2  # half-precision backbones keep the length to about 1e-3
SHARES_TOLERANCE = 1e-3  # a class's shares, summed in float32 or half precision


def check_classes(found: Sequence[SourceClass], source: str) -> None:
    """Names that follow the rule for names (`retclip.names`), and no two that are one class. Raises DataError for a
    name that cannot be, too."""
    where = f"the classes of {source}"
    for term in (term for one in found for term in (one.name, *one.synonyms)):
        if checked_name(term, where) != term:
            raise _broken(source, "class names as retclip.names.checked_name gives them", repr(term))
    distinct((one.name for one in found), where)


def checked_features(
    found: Sequence[DenseFeatures], images: Sequence[Image], space: FeatureSpace, component: str
) -> list[DenseFeatures]:
    """One answer per image, of that image and in the backbone's own space."""
    if len(found) != len(images):
        raise _broken(component, f"{len(images)} dense features, one per image", f"{len(found)}")
    for features, image in zip(found, images, strict=True):
        if tuple(features.image_size) != image.size:
            raise _broken(component, f"image_size {image.size}", f"{features.image_size}")
        if features.space != space:
            raise _broken(component, f"features of its space {space.id}", f"of {features.space.id}")
    return list(found)


def checked_proposals(found: Sequence[MaskProposals], images: Sequence[Image], component: str) -> list[MaskProposals]:
    """One valid answer per image: masks (n, y, x) and scores (n,) in [0, 1], prompts one per mask."""
    if len(found) != len(images):
        raise _broken(component, f"{len(images)} answers, one per image", f"{len(found)}")
    for proposals, image in zip(found, images, strict=True):
        try:
            sizes = check_shape("masks", proposals.masks, "n y x")
            for name in ("objectness", "detector_scores", "mask_scores"):
                _check_scores(name, getattr(proposals, name), sizes["n"])
            if 0 in proposals.masks.shape[1:]:
                raise ShapeError("masks (n, y, x) with y and x above 0", f"{tuple(proposals.masks.shape)}", "")
            check_range("masks", proposals.masks, 0.0, 1.0, ROUNDING)
        except ShapeError as error:
            raise _broken(component, error.expected, error.got) from error
        if tuple(proposals.image_size) != image.size:
            raise _broken(component, f"image_size {image.size}", f"{proposals.image_size}")
        if proposals.logits is not None and len(proposals.logits.values) != len(proposals):
            raise _broken(component, f"logits of {len(proposals)} masks", f"of {len(proposals.logits.values)}")
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
    _check_unit("vectors", found.vectors[found.covered], component)
    return replace(found, vectors=found.vectors.float())


def checked_scores(
    found: ClassScores, masks: int, vocabulary: Vocabulary, component: str, neighbours: Neighbours | None = None
) -> ClassScores:
    """(n, c) scores in [0, 1], and whether each class is known. neighbours: what the component was given; its shares,
    where it says them, sum to its scores."""
    try:
        sizes = check_shape("values", found.values, "n c", {"n": masks, "c": len(vocabulary)})
        check_shape("knows", found.knows, "c", sizes)
        check_flags("knows", found.knows)
        check_range("values", found.values, 0.0, 1.0, ROUNDING)
        if found.void is not None:
            check_shape("void", found.void, "n", sizes)
            check_range("void", found.void, 0.0, 1.0, ROUNDING)
        if found.speaks is not None:
            check_shape("speaks", found.speaks, "n", sizes)
            check_flags("speaks", found.speaks)
        if found.shares is not None:
            _check_shares(found.shares, found.values, neighbours)
    except ShapeError as error:
        raise _broken(component, error.expected, error.got) from error
    void = None if found.void is None else found.void.float().clamp(0.0, 1.0)
    shares = None if found.shares is None else found.shares.float().clamp(0.0, 1.0)
    return replace(found, values=found.values.float().clamp(0.0, 1.0), void=void, shares=shares)


def checked_text(found: Tensor | None, terms: int, space: FeatureSpace, component: str) -> Tensor | None:
    """A unit vector (r, d) float32 per term, None from a backbone without a text tower."""
    if found is None:
        return None
    try:
        check_shape("text vectors", found, "r d", {"r": terms, "d": space.dim})
    except ShapeError as error:
        raise _broken(component, error.expected, error.got) from error
    _check_unit("text vectors", found, component)
    return found.float()


def _check_scores(name: str, scores: Tensor | None, masks: int) -> None:
    """A score in [0, 1] per mask, where there are any. Raises ShapeError."""
    if scores is not None:
        check_shape(name, scores, "n", {"n": masks})
        check_range(name, scores, 0.0, 1.0, ROUNDING)


def _check_shares(shares: Tensor, values: Tensor, neighbours: Neighbours | None) -> None:
    """A share in [0, 1] per neighbour, those of a class with that class's value as their sum. Raises ShapeError."""
    if neighbours is None:
        raise ShapeError("no shares where there are no neighbours", f"{tuple(shares.shape)}", "")
    classes = neighbours.classes.to(shares.device)
    check_shape("shares", shares, "n k", {"n": classes.shape[0], "k": classes.shape[1]})
    check_range("shares", shares, 0.0, 1.0, ROUNDING)
    bins = values.new_zeros(len(values), values.shape[1] + 1, dtype=shares.dtype).float()  # the last: no neighbour
    summed = bins.scatter_add(1, classes % bins.shape[1], shares.float())
    apart = (summed[:, :-1] - values.float()).abs()
    if bool((apart > SHARES_TOLERANCE).any()) or bool((summed[:, -1] > 0).any()):
        raise ShapeError("shares that sum to their class's value", f"sums that are {apart.max():g} apart", "")


def _check_unit(what: str, vectors: Tensor, component: str) -> None:
    lengths = vectors.float().norm(dim=-1)
    if not bool(((lengths - 1.0).abs() < UNIT_TOLERANCE).all()):  # also false for NaN
        raise _broken(component, f"finite {what} of length 1", f"lengths {lengths.min():g} to {lengths.max():g}")


def _broken(component: str, expected: str, got: str) -> ContractBroken:
    return ContractBroken(
        f"{expected} from {component}", got, f"report it to the plugin's author: retclip plugins check {component}"
    )
