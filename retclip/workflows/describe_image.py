"""The first half of every walk: images' masks, and a vector for each, by the components that were chosen.

Every answer of a plugin is checked before it is believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retclip.device import inference
from retclip.plugin.checks import checked_features, checked_proposals, checked_segments
from retclip.plugin.contracts import Backbone
from retclip.types import DenseFeatures, Image, MaskProposals, SegmentFeatures, Vocabulary
from retclip.workflows.parts import Loaded, Models


@dataclass(frozen=True, eq=False)
class Description:
    """Masks, what the classifiers see of them, and what is looked up in the store: the same vectors unless a second
    backbone makes the keys."""

    proposals: MaskProposals
    segments: SegmentFeatures
    keys: SegmentFeatures


def proposals_of(
    models: Models, images: Sequence[Image], vocabulary: Vocabulary
) -> list[tuple[DenseFeatures, MaskProposals]]:
    """Of each image the dense features, computed once because a proposer may share them, and the masks. Raises
    ContractBroken."""
    features = dense(models.backbone, images)
    with inference(models.proposer.device):
        found = models.proposer.thing.propose(images, vocabulary, features)
    return list(zip(features, checked_proposals(found, images, models.proposer.name), strict=True))


def vectors_of(models: Models, features: DenseFeatures, proposals: MaskProposals) -> SegmentFeatures:
    """A unit vector per mask for the classifiers. Raises ContractBroken."""
    return pooled(models.backbone, features, proposals)


def keys_of(
    models: Models, image: Image, features: DenseFeatures, proposals: MaskProposals, segments: SegmentFeatures | None
) -> SegmentFeatures:
    """A unit vector per mask for the store: `segments`, where they are known, unless there is a second backbone."""
    if models.second_backbone is None:
        return segments if segments is not None else vectors_of(models, features, proposals)
    return pooled(models.keys, dense(models.keys, [image])[0], proposals)


def dense(backbone: Loaded[Backbone], images: Sequence[Image]) -> list[DenseFeatures]:
    """One entry per image. Raises ContractBroken."""
    with inference(backbone.device):
        found = backbone.thing.dense_features(images)
    return checked_features(found, images, backbone.thing.space, backbone.name)


def pooled(backbone: Loaded[Backbone], features: DenseFeatures, proposals: MaskProposals) -> SegmentFeatures:
    """A unit vector per mask in that backbone's space. Raises ContractBroken."""
    with inference(backbone.device):
        found = backbone.thing.segment_vectors(features, proposals.masks, proposals.logits)
    return checked_segments(found, len(proposals), backbone.name)
