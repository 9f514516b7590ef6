"""The first half of every pipeline: an image's masks, and a vector for each.

Every call of a plugin is guarded, and every output is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from retclip.algorithms.mask_pooling import area_weights
from retclip.algorithms.mask_tree import tree_weights
from retclip.device import inference
from retclip.plugin.calls import at_work, on_photos
from retclip.plugin.checks import checked_features, checked_proposals, checked_segments, checked_text
from retclip.plugin.contracts import AREAS, AreaPooling, Backbone
from retclip.types import DenseFeatures, Image, MaskMap, MaskProposals, SegmentFeatures, Vocabulary
from retclip.workflows.segment.kept_text import kept_text
from retclip.workflows.segment.parts import Loaded, Models

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Description:
    """Masks, their vectors for the classifiers, and their retrieval embeddings, which differ only with a second
    backbone.
    """

    proposals: MaskProposals
    segments: SegmentFeatures
    keys: SegmentFeatures


def proposals_of(
    models: Models, images: Sequence[Image], vocabulary: Vocabulary
) -> list[tuple[DenseFeatures, MaskProposals]]:
    """Return of each image the dense features, computed once because a proposer may share them, and the masks.

    Raises DataError for what a component raises on the images, ContractBroken for an invalid output.
    """
    features = dense(models.backbone, images)
    with inference(models.proposer.device), on_photos(models.proposer.name, addresses(images)):
        proposals = models.proposer.component.propose(images, vocabulary, features)
    return list(zip(features, checked_proposals(proposals, images, models.proposer.name), strict=True))


def vectors_of(models: Models, image: Image, features: DenseFeatures, proposals: MaskProposals) -> SegmentFeatures:
    """Return a unit vector per mask for the classifiers. Raises DataError, ContractBroken."""
    return pooled(models.backbone, image, features, proposals)


def key_features(models: Models, images: Sequence[Image], features: Sequence[DenseFeatures]) -> list[DenseFeatures]:
    """Return the dense features that retrieval embeddings are pooled from: a second backbone's, of all images in one
    batch.

    features: one entry per image, the first backbone's, which are returned without a second one.
    Raises DataError, ContractBroken.
    """
    return list(features) if models.second_backbone is None else dense(models.second_backbone, images)


def keys_of(
    models: Models, image: Image, features: DenseFeatures, proposals: MaskProposals, segments: SegmentFeatures | None
) -> SegmentFeatures:
    """Return a retrieval embedding of unit length per mask: `segments`, where given, unless there is a second backbone.

    features: of the image, as `key_features` returns them.
    Raises DataError, ContractBroken.
    """
    if models.second_backbone is None and segments is not None:
        return segments
    return pooled(models.keys, image, features, proposals)


def dense(backbone: Loaded[Backbone], images: Sequence[Image]) -> list[DenseFeatures]:
    """Return one entry per image. Raises DataError for what the backbone raises on them, ContractBroken."""
    with inference(backbone.device), on_photos(backbone.name, addresses(images)):
        features = backbone.component.dense_features(images)
    return checked_features(features, images, backbone.component.space, backbone.name)


def pooled(
    backbone: Loaded[Backbone], image: Image, features: DenseFeatures, proposals: MaskProposals
) -> SegmentFeatures:
    """Return a unit vector per mask in that backbone's space. Raises DataError, ContractBroken.

    Where the backbone provides `AREAS`, masks that do not overlap are weighed all at once, and of a tree of masks only
    the leaves, whose weights add up.
    """
    summable = proposals.parents is not None or isinstance(proposals.form, MaskMap)
    with inference(backbone.device), on_photos(backbone.name, addresses([image])):
        if summable and AREAS in backbone.provides:
            component = cast("AreaPooling", backbone.component)
            weights = _weights(proposals, features, getattr(component, "area_steps", 0))  # (n, h, w)
            segments = component.weighted_vectors(features, weights)
        else:
            segments = backbone.component.segment_vectors(features, proposals.masks, proposals.logits)
    return checked_segments(segments, len(proposals), backbone.component.space, backbone.name)


def _weights(proposals: MaskProposals, features: DenseFeatures, steps: int) -> Tensor:
    """Return (n, h, w), the share of each cell that each mask covers. steps: as `area_weights` takes it."""
    masks, size = proposals.form.to(features.grid.device), (int(features.grid.shape[1]), int(features.grid.shape[2]))
    if proposals.parents is None:
        return area_weights(masks, size, features.extent, steps)
    return tree_weights(masks, proposals.parents, size, features.extent, steps)


def text_of(backbone: Loaded[Backbone], names: Sequence[str]) -> Tensor | None:
    """Return a unit vector per name, None from a backbone without a text tower; they are kept for the next run. Raises
    PluginFailed, ContractBroken."""

    def read(some: Sequence[str]) -> Tensor | None:
        with inference(backbone.device), at_work(backbone.name, f"read {len(some)} names"):
            vectors = backbone.component.text_vectors(some)
        return checked_text(vectors, len(some), backbone.component.space, backbone.name)

    return kept_text(backbone, names, read)


def addresses(images: Sequence[Image]) -> list[str]:
    """Return the address of each image, for messages."""
    return [image.uri or f"an image of {image.size[1]} x {image.size[0]}" for image in images]
