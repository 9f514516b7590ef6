"""Checks of every plugin's output against its contract. Raises ContractBroken, naming the component.

Vectors and scores are returned in float32, whatever precision a model works in: in bfloat16 two classes out of a
hundred are often equal, and the first would win.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from retclip.errors import ContractBroken, ShapeError
from retclip.mask_proposals import NOBODY
from retclip.plugin.calls import reason_of
from retclip.shapes import check_flags, check_range, check_shape
from retclip.types import (
    ClassScores,
    DenseFeatures,
    FeatureSpace,
    Image,
    LabelLogits,
    MaskLogits,
    MaskMap,
    MaskProposals,
    Neighbours,
    Role,
    SegmentFeatures,
    Vocabulary,
)  # fmt: skip

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-5  # what resizing and softmax may add to a probability
UNIT_TOLERANCE = 1e-2  # half-precision backbones keep the length to about 1e-3
SHARES_TOLERANCE = 1e-3  # a class's shares, summed in float32 or half precision
Answer = TypeVar("Answer")


def checked_features(answer: Any, images: Sequence[Image], space: FeatureSpace, component: str) -> list[DenseFeatures]:
    """Return one entry per image: a grid (d, h, w) of that image, d the same for all, in the backbone's own space."""
    with _judging(component):
        answers, channels = _one_each(answer, images, DenseFeatures), dict[str, int]()
        for features, image in zip(answers, images, strict=True):
            _check_size(features, image)
            if features.space != space:
                raise ShapeError(f"features of its space {space.id}", f"of {features.space.id}", "")
            for name, values in {"grid": features.grid, **features.levels}.items():
                sizes = {"d": channels[name]} if name in channels else {}
                channels[name] = _check_numbers(name, values, "d h w", sizes)["d"]
            if not all(0.0 < share <= 1.0 for share in features.extent) or len(features.extent) != 2:
                raise ShapeError("extent, two shares in (0, 1]", f"{features.extent}", "")
    return answers


def checked_proposals(answer: Any, images: Sequence[Image], component: str) -> list[MaskProposals]:
    """Return one valid entry per image: masks (n, y, x) and scores (n,) in [0, 1], prompts one per mask."""
    with _judging(component):
        answers = _one_each(answer, images, MaskProposals)
        for proposals, image in zip(answers, images, strict=True):
            _check_masks(proposals)
            _check_size(proposals, image)
    return answers


def _check_masks(proposals: MaskProposals) -> None:
    if isinstance(proposals.form, MaskMap):
        _check_map(proposals.form)
        sizes = {"n": len(proposals)}
    else:
        sizes = _check_numbers("masks", proposals.form, "n y x")
        check_range("masks", proposals.form, 0.0, 1.0, ROUNDING)
    _check_shares("objectness", proposals.objectness, "n", sizes)
    for name in ("detector_scores", "mask_scores"):
        scores = getattr(proposals, name)
        if scores is not None:
            _check_shares(name, scores, "n", sizes)
    if 0 in proposals.grid:
        raise ShapeError("masks (n, y, x) with y and x above 0", f"y and x {proposals.grid}", "")
    if proposals.embeddings is not None:
        _check_numbers("embeddings", proposals.embeddings, "n e", {"n": sizes["n"]})
    if proposals.logits is not None:
        _check_logits(proposals.logits, sizes["n"])
    if proposals.parents is not None:
        _check_parents(proposals.parents, sizes["n"])
        if isinstance(proposals.form, MaskMap):
            _check_leaves(proposals.form, proposals.parents)
    if proposals.prompts is not None:
        if not isinstance(proposals.prompts, tuple | list) or len(proposals.prompts) != sizes["n"]:
            raise ShapeError(f"{sizes['n']} prompts", _amount(proposals.prompts), "")
        invalid = [prompt for prompt in proposals.prompts if prompt is not None and not isinstance(prompt, str)]
        if invalid:
            raise ShapeError("prompts that are names or None", _kind(invalid[0]), "")


def _check_map(masks: MaskMap) -> None:
    _check_tensor("the owners of a mask map", masks.owners)
    check_shape("the owners of a mask map", masks.owners, "y x")
    if str(masks.owners.dtype) != "torch.int64":
        raise ShapeError("the owners of a mask map, int64", f"{masks.owners.dtype}", "")
    check_range("the owners of a mask map", masks.owners, NOBODY, masks.count - 1)


def _check_parents(parents: Any, masks: int) -> None:
    _check_tensor("parents", parents)
    check_shape("parents", parents, "n", {"n": masks})
    if parents.dtype.is_floating_point:
        raise ShapeError("parents, whole numbers", f"{parents.dtype}", "")
    wrong = [(node, above) for node, above in enumerate(parents.tolist()) if above != -1 and not node < above < masks]
    if wrong:
        raise ShapeError("parents that come after their children, -1 for none", f"{wrong[0][1]} of {wrong[0][0]}", "")


def _check_leaves(masks: MaskMap, parents: Tensor) -> None:
    above = sorted({*parents.tolist()} & {*masks.owners.unique().tolist()} - {NOBODY})
    if above:
        raise ShapeError("cells that masks without children own", f"cells of {above[0]}, which has some", "")


def _check_logits(logits: MaskLogits, masks: int) -> None:
    _check_kind("logits", logits, MaskLogits)
    count = _check_numbers("logits", logits.values, "n y x")["n"]
    if count != masks:
        raise ShapeError(f"logits of {masks} masks", f"of {count}", "")
    if not bool(logits.values.isfinite().all()):
        raise ShapeError("finite logits", "NaN or infinity among them", "")
    inside = all(0 < inner <= frame for inner, frame in zip(logits.inner, logits.frame, strict=True))
    if not inside:
        raise ShapeError("logits whose photo lies inside their frame", f"{logits.inner} in {logits.frame}", "")


def checked_segments(segments: Any, masks: int, space: FeatureSpace, component: str) -> SegmentFeatures:
    """Return a unit vector per covered mask, in the backbone's own space.

    masks: how many there are.
    """
    with _judging(component):
        _check_kind("the answer", segments, SegmentFeatures)
        if segments.space != space:
            raise ShapeError(f"vectors of its space {space.id}", f"of {segments.space.id}", "")
        _check_numbers("vectors", segments.vectors, "n d", {"n": masks, "d": space.dim})
        _check_tensor("covered", segments.covered)
        check_shape("covered", segments.covered, "n", {"n": masks})
        check_flags("covered", segments.covered)
        _check_unit("vectors", segments.vectors[segments.covered])
        if segments.label_logits is not None:
            _check_label_logits(segments.label_logits, masks)
    answer: SegmentFeatures = replace(segments, vectors=segments.vectors.float())
    return answer


def _check_label_logits(logits: LabelLogits, masks: int) -> None:
    _check_kind("label_logits", logits, LabelLogits)
    labels = _check_numbers("label_logits.segments", logits.segments, "n l", {"n": masks})["l"]
    _check_numbers("label_logits.image", logits.image, "l", {"l": labels})
    if not bool(logits.segments.isfinite().all() and logits.image.isfinite().all()):
        raise ShapeError("finite label_logits", "NaN or infinity among them", "")


def checked_scores(
    scores: Any, masks: int, vocabulary: Vocabulary, component: str, neighbours: Neighbours | None = None
) -> ClassScores:
    """Return (n, c) scores in [0, 1], and whether each class is known.

    masks: how many there are.
    neighbours: the component's input; its shares, where it has them, sum to its scores.
    """
    with _judging(component):
        _check_kind("the answer", scores, ClassScores)
        _check_kind("its role", scores.role, Role)
        sizes = {"n": masks, "c": len(vocabulary)}
        _check_shares("values", scores.values, "n c", sizes)
        if scores.void is not None:
            _check_shares("void", scores.void, "n", sizes)
        if scores.certainty is not None:
            _check_shares("certainty", scores.certainty, "n", sizes)
        if scores.shrinkage is not None:
            _check_shares("shrinkage", scores.shrinkage, "n c", sizes)
        for name, axis in (("knows", "c"), ("speaks", "n")):
            flags = getattr(scores, name)
            if flags is not None or name == "knows":
                _check_tensor(name, flags)
                check_shape(name, flags, axis, sizes)
                check_flags(name, flags)
        if scores.shares is not None:
            _check_votes(scores.shares, scores.values, neighbours)
        if scores.effects is not None:
            _check_effects(scores.effects, neighbours)
    void = None if scores.void is None else scores.void.float().clamp(0.0, 1.0)
    shares = None if scores.shares is None else scores.shares.float().clamp(0.0, 1.0)
    answer: ClassScores = replace(scores, values=scores.values.float().clamp(0.0, 1.0), void=void, shares=shares)
    return answer


def checked_text(answer: Any, terms: int, space: FeatureSpace, component: str) -> Tensor | None:
    """Return a unit vector (r, d) float32 per term, None from a backbone without a text tower."""
    if answer is None:
        return None
    with _judging(component):
        _check_numbers("text vectors", answer, "r d", {"r": terms, "d": space.dim})
        _check_unit("text vectors", answer)
    vectors: Tensor = answer.float()
    return vectors


def broken(component: str, expected: str, got: str) -> ContractBroken:
    """Return the error for an answer that the contract forbids."""
    return ContractBroken(
        f"{expected} from {component}", got, f"report it to the plugin's author: retclip plugins check {component}"
    )


@contextmanager
def _judging(component: str) -> Iterator[None]:
    """Turn every error inside the block into the component's broken contract, also where its answer cannot be read at
    all.
    """
    try:
        yield
    except ContractBroken:
        raise
    except ShapeError as error:
        raise broken(component, error.expected, error.got) from error
    except (AttributeError, TypeError, ValueError, LookupError, RuntimeError) as error:
        raise broken(component, "an answer of the form that its contract states", reason_of(error)) from error


def _one_each(answers: Any, images: Sequence[Image], kind: type[Answer]) -> list[Answer]:
    expected = f"{len(images)} answers, one per image"
    if not isinstance(answers, list | tuple):
        raise ShapeError(f"a list of {expected}", _kind(answers), "")
    if len(answers) != len(images):
        raise ShapeError(expected, f"{len(answers)}", "")
    for answer in answers:
        _check_kind("an answer", answer, kind)
    return list(answers)


def _check_kind(subject: str, value: Any, kind: type[Any]) -> None:
    if not isinstance(value, kind):
        raise ShapeError(f"{subject} of type {kind.__name__}", _kind(value), "")


def _check_size(answer: DenseFeatures | MaskProposals, image: Image) -> None:
    if tuple(answer.image_size) != image.size:
        raise ShapeError(f"image_size {image.size}", f"{answer.image_size}", "")


def _check_tensor(name: str, value: Any) -> None:
    torch = sys.modules.get("torch")  # there, where a tensor is: this module must not import it for others
    if torch is None or not isinstance(value, torch.Tensor):
        raise ShapeError(f"{name}, a torch tensor", _kind(value), "")


def _check_numbers(name: str, value: Any, axes: str, sizes: Mapping[str, int] | None = None) -> dict[str, int]:
    """Check for a floating-point tensor of those axes; return the length of each axis."""
    _check_tensor(name, value)
    lengths = check_shape(name, value, axes, dict(sizes or {}))
    if not value.dtype.is_floating_point:
        raise ShapeError(f"{name} in floating point", f"{value.dtype}", "")
    return lengths


def _check_shares(name: str, value: Any, axes: str, sizes: Mapping[str, int]) -> None:
    _check_numbers(name, value, axes, {letter: sizes[letter] for letter in axes.split()})
    check_range(name, value, 0.0, 1.0, ROUNDING)


def _check_votes(shares: Any, values: Tensor, neighbours: Neighbours | None) -> None:
    """Check for a share in [0, 1] per neighbour, those of a class summing to its value. Raises ShapeError."""
    if neighbours is None:
        raise ShapeError("no shares where there are no neighbours", _kind(shares), "")
    rows, neighbour_count = neighbours.classes.shape
    _check_shares("shares", shares, "n k", {"n": rows, "k": neighbour_count})
    classes = neighbours.classes.to(shares.device)
    bins = values.new_zeros(len(values), values.shape[1] + 1, dtype=shares.dtype).float()  # the last: no neighbour
    summed = bins.scatter_add(1, classes % bins.shape[1], shares.float())
    apart = (summed[:, :-1] - values.float()).abs()
    if bool((apart > SHARES_TOLERANCE).any()) or bool((summed[:, -1] > 0).any()):
        raise ShapeError("shares that sum to their class's value", f"sums that are {apart.max():g} apart", "")


def _check_effects(effects: Any, neighbours: Neighbours | None) -> None:
    if neighbours is None:
        raise ShapeError("no effects where there are no neighbours", _kind(effects), "")
    rows, neighbour_count = neighbours.classes.shape
    _check_numbers("effects", effects, "n k", {"n": rows, "k": neighbour_count})
    check_range("effects", effects, -1.0, 1.0, ROUNDING)


def _check_unit(subject: str, vectors: Tensor) -> None:
    lengths = vectors.float().norm(dim=-1)
    if not bool(((lengths - 1.0).abs() < UNIT_TOLERANCE).all()):  # also false for NaN
        raise ShapeError(f"finite {subject} of length 1", f"lengths {lengths.min():g} to {lengths.max():g}", "")


def _kind(value: Any) -> str:
    """Return the type of a value for messages: None, "a generator", "a numpy.ndarray"."""
    if value is None:
        return "None"
    module = type(value).__module__
    return f"a {'' if module == 'builtins' else module + '.'}{type(value).__qualname__}"


def _amount(value: Any) -> str:
    return f"{len(value)}" if isinstance(value, tuple | list) else _kind(value)
