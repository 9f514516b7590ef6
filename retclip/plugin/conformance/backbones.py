"""What is tried of a backbone: finite features, unit vectors, a space of its own, the same answer however asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from retclip.errors import ContractBroken
from retclip.plugin.checks import checked_features, checked_segments
from retclip.plugin.conformance.examples import NAMES, equal, masks, photos, unchanged
from retclip.plugin.contracts import TEXT
from retclip.plugin.discovery import ComponentInfo
from retclip.types import FeatureSpace, Image


def _dense(backbone: Any, info: ComponentInfo) -> None:
    images = photos()
    answers = checked_features(backbone.dense_features(images), images, backbone.space, info.full_name)
    for features, image in zip(answers, images, strict=True):
        if not all(0.0 < share <= 1.0 for share in features.extent):
            raise ContractBroken("an extent in (0, 1]", f"{features.extent}", "say what share of the grid is photo")
        if features.grid.ndim != 3 or not bool(torch.isfinite(features.grid).all()):
            raise ContractBroken("a finite grid (d, h, w)", f"{tuple(features.grid.shape)}", "check the model's output")
        unchanged(image)


def _batch(backbone: Any, _: ComponentInfo) -> None:
    images = photos()
    together = backbone.dense_features(images)
    for image, features in zip(images, together, strict=True):
        alone = backbone.dense_features([image])[0]
        vectors_alone = backbone.segment_vectors(alone, masks())
        other = backbone.segment_vectors(features, masks())
        equal(
            "vectors alone and in a batch",
            vectors_alone.vectors[vectors_alone.covered],
            other.vectors[vectors_alone.covered],
        )


def _vectors(backbone: Any, info: ComponentInfo) -> None:
    for features in backbone.dense_features(photos()):
        checked_segments(backbone.segment_vectors(features, masks()), 3, backbone.space, info.full_name)
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


def _repeatable(backbone: Any, _: ComponentInfo) -> None:
    first, second = (backbone.segment_vectors(backbone.dense_features(photos()[:1])[0], masks()) for _ in range(2))
    equal("vectors twice", first.vectors[first.covered], second.vectors[second.covered])


def _space(backbone: Any, info: ComponentInfo) -> None:
    if not isinstance(backbone.space, FeatureSpace) or backbone.space.backbone != info.full_name:
        got = getattr(backbone.space, "backbone", type(backbone.space).__name__)
        raise ContractBroken(f"a FeatureSpace of {info.full_name}", str(got), "name the component in its space")


def _text(backbone: Any, info: ComponentInfo) -> object:
    vectors = backbone.text_vectors(NAMES)
    if (vectors is not None) is not (TEXT in info.component.provides):
        raise ContractBroken(
            "`provides` to say whether there is a text tower", f"{vectors is not None}", "declare TEXT"
        )
    if vectors is None:
        return "it has no text tower"
    equal("text vectors twice", vectors, backbone.text_vectors(NAMES))
    lengths = vectors.norm(dim=-1)
    if tuple(vectors.shape) != (len(NAMES), backbone.space.dim) or not torch.allclose(
        lengths, torch.ones_like(lengths)
    ):
        raise ContractBroken("(3, d) unit vectors", f"{tuple(vectors.shape)}, lengths {lengths.tolist()}", "normalise")
    return None


def answers(backbone: Any, _: ComponentInfo) -> list[Tensor]:
    """What it says of a photo, to be compared with what it says after it was loaded anew."""
    segments = backbone.segment_vectors(backbone.dense_features(photos()[:1])[0], masks())
    return [segments.vectors[segments.covered].clone()]


CHECKS = (
    ("its space names it", _space),
    ("dense features", _dense),
    ("unit vectors", _vectors),
    ("an empty mask is uncovered", _uncovered),
    ("masks matter", _masks_matter),
    ("alone as in a batch", _batch),
    ("the same twice", _repeatable),
    ("text vectors", _text),
)
