"""The first half of every walk: an image's masks, and a vector for each, by the components that were chosen.

Every answer of a plugin is checked before it is believed.
"""

from __future__ import annotations

from retclip.device import inference
from retclip.plugin.checks import checked_proposals, checked_segments
from retclip.types import DenseFeatures, Image, MaskProposals, SegmentFeatures, Vocabulary
from retclip.workflows.parts import Parts


def proposals_of(parts: Parts, image: Image, vocabulary: Vocabulary) -> tuple[DenseFeatures, MaskProposals]:
    """The dense features, computed once because a proposer may share them, and the masks. Raises ContractBroken."""
    with inference(parts.backbone.device):
        features = parts.backbone.thing.dense_features([image])
    with inference(parts.proposer.device):
        found = parts.proposer.thing.propose([image], vocabulary, features)
    (proposals,) = checked_proposals(found, [image], parts.proposer.name)
    return features[0], proposals


def vectors_of(parts: Parts, features: DenseFeatures, proposals: MaskProposals) -> SegmentFeatures:
    """A unit vector per mask. Raises ContractBroken."""
    with inference(parts.backbone.device):
        found = parts.backbone.thing.segment_vectors(features, proposals.masks, proposals.logits)
    return checked_segments(found, len(proposals), parts.backbone.name)
