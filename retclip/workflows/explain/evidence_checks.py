"""Checks of an evidence file: texts by their types, arrays by their axes, every index within its array.

A damaged or foreign file is refused when it is opened, not where a workflow fails on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, Field
from torch import Tensor

from retclip.evidence import DecisionInputs, Evidence, TreeParts
from retclip.names import LabelMatch
from retclip.shapes import check_flags, check_shape
from retclip.types import ClassPrototypes, ClassScores, Neighbours, PanopticSegmentation, Role, SegmentInfo

SCORE_AXES = {  # of the arrays of a ClassScores; all but the first two may be absent
    "values": "n c", "knows": "c", "void": "n", "speaks": "n", "shares": "n k", "certainty": "n", "shrinkage": "n c",
    "effects": "n k",
}  # fmt: skip
SCORE_FLAGS = ("knows", "speaks")
ALL = int(np.iinfo(np.int64).max)  # indices of nobody knows how many


class Source(BaseModel):
    """A classifier whose scores are in the evidence."""

    role: Role
    classifier: str
    rule: str = ""


class InputNumbers(BaseModel):
    """The numbers of `DecisionInputs`. own: of its tree of masks; None where there is none."""

    k: int = Field(ge=1)
    further: int = Field(ge=0)
    per_class: bool
    own: float | None = Field(None, ge=0, le=1)


class About(BaseModel):
    """The text part of an evidence file."""

    image_sha256: str
    image_uri: str
    segments: tuple[SegmentInfo, ...]
    names: tuple[str, ...]
    is_thing: tuple[bool | None, ...]
    synonyms: tuple[tuple[str, ...], ...]
    has_rest: bool = False
    scores: tuple[Source, ...]
    settings: dict[str, Any]
    matches: tuple[LabelMatch, ...]
    inputs: InputNumbers | None = None  # files from before what-if answers have none


def check_evidence(result: PanopticSegmentation, evidence: Evidence) -> None:
    """Check that arrays fit each other and that indices stay within them.

    result: the label map, (H, W) int32, and its segments.
    evidence: scores, neighbours and boxes of the n masks.

    Raises ShapeError, ValueError.
    """
    words = evidence.vocabulary
    if len(words.is_thing) != len(words) or len(words.synonyms) not in (0, len(words)):
        raise ValueError(f"{len(words)} names, {len(words.is_thing)} kinds, synonyms of {len(words.synonyms)}")
    if words.has_rest and not len(words):
        raise ValueError("a rest of no classes")
    sizes = _check_numbers("combined", evidence.combined, "n c", {"c": len(words)})
    _check_numbers("void", evidence.void, "n", sizes)
    _check_integers("boxes", evidence.boxes, "n 4", sizes)
    _check_map(result, sizes["n"], len(words))
    if evidence.neighbours is not None:
        sizes = _check_neighbours(evidence.neighbours, sizes)
    for scores in evidence.scores:
        _check_scores(scores, sizes)
    if evidence.inputs is not None:
        if evidence.neighbours is None:
            raise ValueError("inputs of a vote without its neighbours")
        _check_inputs(evidence.inputs, sizes)


def _check_inputs(inputs: DecisionInputs, sizes: dict[str, int]) -> None:
    numbers = {axis: sizes[axis] for axis in "nc"}
    _check_neighbours(inputs.beyond, numbers)
    _check_flags("seen", inputs.seen, "c", numbers)
    _check_flags("covered", inputs.covered, "n", numbers)
    if inputs.possible is not None:
        _check_flags("possible", inputs.possible, "n c", numbers)
    if inputs.parts is not None:
        _check_parts(inputs.parts, numbers)


def _check_parts(parts: TreeParts, sizes: dict[str, int]) -> None:
    leaves = _check_integers("leaf_owner", parts.owner, "n", below=sizes["n"])
    if bool((parts.owner < 0).any()):
        raise ValueError("leaves of no mask")
    _check_numbers("leaf_shares", parts.shares, "n", leaves)
    sizes = _check_neighbours(parts.neighbours, {**leaves, "c": sizes["c"]})
    for scores in parts.scores:
        _check_scores(scores, sizes)
    _check_inputs(parts.inputs, sizes)


def _check_scores(scores: ClassScores, sizes: dict[str, int]) -> None:
    for name, axes in SCORE_AXES.items():
        values = getattr(scores, name)
        if values is not None:
            (_check_flags if name in SCORE_FLAGS else _check_numbers)(name, values, axes, sizes)


def _check_map(result: PanopticSegmentation, masks: int, classes: int) -> None:
    sizes = _check_integers("label_map", result.label_map, "H W")
    if result.mask_map is not None:
        _check_integers("mask_map", result.mask_map, "H W", sizes, below=masks)
    for segment in result.segments:
        if not -1 <= segment.proposal < masks or not -1 <= segment.class_index < classes:
            got = f"mask {segment.proposal} of {masks} and class {segment.class_index} of {classes}"
            raise ValueError(f"segment {segment.id} names {got}")


def _check_neighbours(near: Neighbours, sizes: dict[str, int]) -> dict[str, int]:
    sizes = check_shape("neighbour_ids", near.ids, "n k", sizes)
    _check_flags("supported", near.supported, "c", sizes)
    for name, values in near.places.items():
        if name in ("classes", "of_rest"):
            most = sizes["c"] + 1 if name == "classes" else ALL  # one more: a class that was not asked
            _check_integers(f"neighbour_{name}", values, "n k", sizes, below=most)
        else:
            _check_numbers(f"neighbour_{name}", values, "n k", sizes)
    if near.negatives is not None:
        counted = check_shape("negative_ids", near.negatives.ids, "m")
        _check_integers("negative_classes", near.negatives.classes, "m", counted, below=sizes["c"])
        if bool((near.negatives.classes < 0).any()):
            raise ValueError("negative examples of no class")
        _check_numbers("negatives", near.negatives.distances, "n m", {"n": sizes["n"], **counted})
    if near.prototypes is not None:
        _check_prototypes(near.prototypes, {axis: sizes[axis] for axis in "nc"})
    if ((near.ids != None) != (near.classes.numpy() >= 0)).any():  # noqa: E711  (each of an array)
        raise ValueError("neighbours without a class, or classes without a neighbour")
    return sizes


def _check_prototypes(near: ClassPrototypes, sizes: dict[str, int]) -> None:
    counted = _check_integers("prototype_classes", near.classes, "p", below=sizes["c"])
    _check_integers("prototype_sizes", near.sizes, "p", counted)
    if bool((near.classes < 0).any() or (near.sizes < 1).any()):
        raise ValueError("prototypes of no class, or of no segment")
    check_shape("prototype_members", near.members, "p m", counted)
    _check_numbers("prototypes", near.distances, "n p", {"n": sizes["n"], **counted})


def _check_numbers(name: str, array: Tensor, axes: str, sizes: dict[str, int]) -> dict[str, int]:
    if not array.is_floating_point():
        raise ValueError(f"{name} of dtype {array.dtype}, which is no float")
    return check_shape(name, array, axes, sizes)


def _check_flags(name: str, array: Tensor, axes: str, sizes: dict[str, int]) -> dict[str, int]:
    check_flags(name, array)
    return check_shape(name, array, axes, sizes)


def _check_integers(
    name: str, array: Any, axes: str, sizes: dict[str, int] | None = None, below: int | None = None
) -> dict[str, int]:
    """Check whole numbers; indices where `below` says of how many: -1 = none."""
    sizes, whole = check_shape(name, array, axes, sizes), np.asarray(array)
    if whole.dtype.kind not in "iu":
        raise ValueError(f"{name} of dtype {whole.dtype}, which counts nothing")
    if below is not None and whole.size and not -1 <= int(whole.min()) <= int(whole.max()) < below:
        raise ValueError(f"{name} from {whole.min()} to {whole.max()}, of {below}")
    return sizes
