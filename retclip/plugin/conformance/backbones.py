"""What is tried of a backbone: finite features, unit vectors of what masks cover, the same answer however asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retclip.algorithms.mask_pooling import area_weights
from retclip.errors import ContractBroken
from retclip.plugin.checks import checked_features, checked_segments, checked_text
from retclip.plugin.conformance.comparison import Kept, equal, require_alike
from retclip.plugin.conformance.examples import NAMES, as_image, masks, photos, quadrants, unchanged
from retclip.plugin.conformance.loaded_weights import hint
from retclip.plugin.conformance.mask_alignment import check_alignment
from retclip.plugin.conformance.mask_moves import cells_of
from retclip.plugin.contracts import AREAS, TEXT
from retclip.plugin.discovery import ComponentInfo
from retclip.types import DenseFeatures, FeatureSpace, Image, MaskMap, SegmentFeatures

COMPANY = "let no answer depend on what else is in the batch: no statistics over it, no padding to its largest"
UNSAID = 1.0  # the stride of whoever leaves it out
LONGISH = 4.5  # a photo three times as wide as high that is squeezed into a square has cells three times as wide
STRIDE = 1.6  # a stated stride may be so many times off: cells are rounded, and the two sides may differ


def _vectors_of(backbone: Any, image: Image) -> list[Tensor]:
    segments = backbone.segment_vectors(backbone.dense_features([image])[0], masks())
    return [segments.vectors[segments.covered].clone()]


def _dense(backbone: Any, info: ComponentInfo) -> None:
    images = photos()
    answers = checked_features(backbone.dense_features(images), images, backbone.space, info.full_name)
    for features, image in zip(answers, images, strict=True):
        if not all(0.0 < share <= 1.0 for share in features.extent):
            raise ContractBroken("an extent in (0, 1]", f"{features.extent}", "say what share of the grid is photo")
        if features.grid.ndim != 3 or not bool(torch.isfinite(features.grid).all()):
            raise ContractBroken("a finite grid (d, h, w)", f"{tuple(features.grid.shape)}", "check the model's output")
        if features.grid.requires_grad:
            raise ContractBroken("features without gradients", "requires_grad = True", "freeze the model, or detach")
        unchanged(image)
    _check_cells(backbone.dense_features([quadrants(96, 288, 0)])[0])


def _check_cells(features: DenseFeatures) -> None:
    """Raises ContractBroken for cells that cannot be of this wide photo, and for a stride that cannot be theirs."""
    cells, stride = cells_of(features), float(features.stride)
    if min(cells) <= 0:
        raise ContractBroken("a grid of rows and columns", f"{tuple(features.grid.shape)}", "return (d, h, w)")
    pixels = [side / count for side, count in zip(features.image_size, cells, strict=True)]
    if max(pixels) > LONGISH * min(pixels):
        got = f"cells of {pixels[0]:.0f} x {pixels[1]:.0f} pixels of a wide photo"
        raise ContractBroken("a grid (d, h, w)", got, "do not exchange its rows and columns")
    if stride != UNSAID and not min(pixels) / STRIDE < stride < max(pixels) * STRIDE:  # also false for NaN
        whole = " or ".join(f"{factor:.1f}" for factor in dict.fromkeys(pixels))
        todo = "state photo height / (grid rows * extent[0]): pixels of the photo, not of the resized one"
        raise ContractBroken(f"a stride of about {whole} pixels of the photo a cell", f"{stride:g}", todo)


def _batch(backbone: Any, _: ComponentInfo) -> None:
    images = photos()
    together = backbone.dense_features(images)
    for image, features in zip(images, together, strict=True):
        alone = backbone.segment_vectors(backbone.dense_features([image])[0], masks())
        other = backbone.segment_vectors(features, masks())
        first, second = ([segments.vectors[alone.covered]] for segments in (alone, other))
        require_alike("vectors alone and in a batch", first, second, hint(backbone) or COMPANY)


def _vectors(backbone: Any, info: ComponentInfo) -> None:
    plain = [as_image(np.full((40, 60, 3), value, dtype=np.uint8)) for value in (0, 255)]
    for features in backbone.dense_features([*photos(), *plain]):
        requested = masks()
        segments = checked_segments(backbone.segment_vectors(features, requested), 3, backbone.space, info.full_name)
        equal("masks as they came", masks(), requested, "copy before you write")
        if segments.vectors.requires_grad:
            raise ContractBroken("vectors without gradients", "requires_grad = True", "freeze the model, or detach")
        none = backbone.segment_vectors(features, torch.zeros(0, 6, 8))
        checked_segments(none, 0, backbone.space, info.full_name)


def _uncovered(backbone: Any, info: ComponentInfo) -> None:
    features = backbone.dense_features(photos()[:1])[0]
    segments = checked_segments(
        backbone.segment_vectors(features, torch.zeros(1, 6, 8)), 1, backbone.space, info.full_name
    )
    if bool(segments.covered[0]):
        raise ContractBroken("an empty mask to be uncovered", "covered = True", "set covered to False")


def _masks_matter(backbone: Any, _: ComponentInfo) -> None:
    """The left half of a photo that is black on the left and white on the right is not the right half."""
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    pixels[:, 32:] = 255
    halves = torch.zeros(2, 8, 8)
    halves[0, :, :4], halves[1, :, 4:] = 1.0, 1.0
    segments = backbone.segment_vectors(backbone.dense_features([Image(pixels, "0" * 64, "halves")])[0], halves)
    if bool(segments.covered.all()) and torch.allclose(
        segments.vectors[0].float(), segments.vectors[1].float(), atol=1e-4
    ):
        raise ContractBroken("different vectors of a black and a white half", "equal ones", "pool over the masks")


def _photos_matter(backbone: Any, _: ComponentInfo) -> None:
    """Two photos of one size, both without an address, one after the other and then both at once."""
    pair = quadrants(48, 64, 0), as_image(255 - quadrants(48, 64, 1).pixels)
    answers = [_vectors_of(backbone, image) for image in pair]
    if all(torch.allclose(a.float(), b.float(), atol=1e-6) for a, b in zip(*answers, strict=True)):
        todo = "look at the pixels of the photo that is asked about; a cache may go by `Image.sha256` alone"
        raise ContractBroken("different vectors of two photos", "equal ones", todo)
    for features, image, before in zip(backbone.dense_features(pair), pair, answers, strict=True):
        segments = backbone.segment_vectors(features, masks())
        todo = hint(backbone) or "answer in the order of the photos; a cache may go by `Image.sha256` alone"
        require_alike(
            f"vectors of a photo before and after another (sha256 {image.sha256[:8]})",
            before, [segments.vectors[segments.covered]], todo,
        )  # fmt: skip


def _mask_company(backbone: Any, _: ComponentInfo) -> None:
    """A mask has one vector, alone, among others, and in another order."""
    features = backbone.dense_features([quadrants(96, 288, 0)])[0]
    several = masks()
    together = backbone.segment_vectors(features, several)
    turned = backbone.segment_vectors(features, several.flip(0))
    alone = [backbone.segment_vectors(features, several[n : n + 1]) for n in range(len(several))]
    todo = "let a mask's vector depend on that mask alone, and leave the features as they are"
    require_alike("vectors of masks in another order", [_covered(together)], [_covered(turned).flip(0)], todo)
    require_alike(
        "vector of a mask alone and among others",
        [_covered(together)],
        [torch.cat([_covered(segments) for segments in alone])],
        todo,
    )


def _covered(segments: SegmentFeatures) -> Tensor:
    return segments.vectors[segments.covered]


def _repeatable(backbone: Any, _: ComponentInfo) -> None:
    first, second = (backbone.segment_vectors(backbone.dense_features(photos()[:1])[0], masks()) for _ in range(2))
    require_alike(
        "vectors twice",
        [first.vectors[first.covered]],
        [second.vectors[second.covered]],
        hint(backbone) or "make the component deterministic",
    )


def _space(backbone: Any, info: ComponentInfo) -> None:
    if not isinstance(backbone.space, FeatureSpace) or backbone.space.backbone != info.full_name:
        got = getattr(backbone.space, "backbone", type(backbone.space).__name__)
        raise ContractBroken(f"a FeatureSpace of {info.full_name}", str(got), "name the component in its space")


def _alignment(backbone: Any, _: ComponentInfo) -> object:
    return check_alignment(backbone)


def _text(backbone: Any, info: ComponentInfo) -> object:
    vectors = backbone.text_vectors(NAMES)
    if (vectors is not None) is not (TEXT in info.component.provides):
        raise ContractBroken(
            "`provides` to say whether there is a text tower", f"{vectors is not None}", "declare TEXT"
        )
    if vectors is None:
        return "it has no text tower"
    checked = checked_text(vectors, len(NAMES), backbone.space, info.full_name)
    equal("text vectors twice", vectors, backbone.text_vectors(NAMES))
    if checked is not None and torch.equal(checked[0], checked[1]):
        raise ContractBroken("different vectors of different names", "equal ones", "encode the names")
    alone = torch.cat([backbone.text_vectors((name,)) for name in NAMES])
    todo = "let a name's vector depend on that name alone: pad with a mask, keep the order"
    require_alike("text vectors alone and among others", [vectors], [alone], todo)
    return None


def _areas(backbone: Any, info: ComponentInfo) -> object:
    if AREAS not in info.component.provides:
        return Kept("it does not claim that a mask's vector follows from the share of each cell")
    features = backbone.dense_features(photos()[:1])[0]
    size = (int(features.grid.shape[1]), int(features.grid.shape[2]))
    halves = MaskMap(torch.arange(8).expand(6, 8) // 4, 2)  # as a proposer gives masks that do not overlap
    for form, drawn in ((masks(), masks()), (halves, halves.drawn())):
        weights = area_weights(form.to(features.grid.device), size, features.extent, getattr(backbone, "area_steps", 0))
        weighted, plain = backbone.weighted_vectors(features, weights), backbone.segment_vectors(features, drawn)
        equal("vectors of masks and of their weights", weighted.vectors[plain.covered], plain.vectors[plain.covered])
    return None


def answers(backbone: Any, _: ComponentInfo) -> list[Tensor]:
    """What it says of two photos, one of them wide, to be compared with what it says after it was loaded anew."""
    vectors_of: Sequence[list[Tensor]] = [_vectors_of(backbone, batch) for batch in (photos()[0], quadrants(32, 96, 0))]
    return [vectors for several in vectors_of for vectors in several]


CHECKS = (
    ("its space names it", _space),
    ("dense features", _dense),
    ("unit vectors", _vectors),
    ("an empty mask is uncovered", _uncovered),
    ("masks matter", _masks_matter),
    ("photos matter", _photos_matter),
    ("masks lie where they should", _alignment),
    ("alone as in a batch", _batch),
    ("masks alone as among others", _mask_company),
    ("the same twice", _repeatable),
    ("text vectors", _text),
    ("weights instead of masks", _areas),
)
