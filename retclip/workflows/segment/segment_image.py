"""Segments an image (paper, section 2.2): masks -> vectors -> neighbours -> scores -> ensemble -> panoptic map.

The vocabulary is prepared once for many images. Everything that decides is returned as Evidence, so that the decision
can be explained, and made again, without the image or a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retclip._version import __version__
from retclip.algorithms.ensemble import EnsembleWeights
from retclip.algorithms.panoptic_merge import MergeThresholds, against_rest, panoptic_merge
from retclip.algorithms.pixel_counts import label_counts
from retclip.algorithms.touching_pieces import join_touching_pieces
from retclip.algorithms.void_specks import close_void_specks
from retclip.config_sections import SegmentSection
from retclip.evidence import Evidence
from retclip.plugin.contracts import PATCHES
from retclip.types import DenseFeatures, Image, MaskProposals, PanopticSegmentation, Vocabulary
from retclip.workflows.segment.describe_image import (
    Description,
    key_features,
    keys_of,
    proposals_of,
    vectors_of,
)
from retclip.workflows.segment.masks import boxes
from retclip.workflows.segment.parts import Loaded, PreparedVocabulary, Segmenter
from retclip.workflows.segment.score_masks import decided, score_masks
from retclip.workflows.segment.tree_cut import Decided


def segment_images(
    parts: Segmenter, images: Sequence[Image], prepared: PreparedVocabulary
) -> list[tuple[PanopticSegmentation, Evidence]]:
    """Return of each image its panoptic map, at its own size, and the evidence for each mask's label."""
    answers = []
    for image, described in zip(images, describe_images(parts, images, prepared), strict=True):
        answer, evidence = decide(parts, image, prepared, described)
        answers.append((merge(parts, evidence, answer.proposals), evidence))
    return answers


def describe_images(parts: Segmenter, images: Sequence[Image], prepared: PreparedVocabulary) -> list[Description]:
    """Return masks and their vectors; the models process all images in batches."""
    proposed = proposals_of(parts, images, prepared.vocabulary)
    keyed = key_features(parts, images, [features for features, _ in proposed])
    return [
        _described(parts, image, features, key_grid, proposals)
        for image, (features, proposals), key_grid in zip(images, proposed, keyed, strict=True)
    ]


def _described(
    parts: Segmenter, image: Image, features: DenseFeatures, key_grid: DenseFeatures, proposals: MaskProposals
) -> Description:
    if not parts.settings.segment.use_prompts:  # what an annotation or a detector calls a mask must not leak in
        proposals = proposals.replaced(prompts=None)
    segments = vectors_of(parts, image, features, proposals)
    return Description(proposals, segments, keys_of(parts, image, key_grid, proposals, segments))


def decide(
    parts: Segmenter, image: Image, prepared: PreparedVocabulary, described: Description
) -> tuple[Decided, Evidence]:
    """Score every mask by every classifier and combine the scores; of a tree of masks return those of the best cut."""
    scored, settings = score_masks(parts, image, prepared, described), parts.settings
    answer = decided(scored, EnsembleWeights(**settings.ensemble.model_dump()), settings.segment)
    return answer, Evidence(
        image_sha256=image.sha256,
        image_uri=image.uri,
        vocabulary=prepared.scored,
        neighbours=answer.neighbours,
        scores=answer.scores,
        combined=answer.combined,
        void=answer.void,
        boxes=boxes(answer.proposals),
        settings=provenance(parts),
        matches=prepared.matches,
        inputs=answer.inputs,
    )


def merge(parts: Segmenter, evidence: Evidence, proposals: MaskProposals) -> PanopticSegmentation:
    """Return the panoptic map of the masks that an evidence is about, see `merged_map`."""
    patches = PATCHES in parts.proposer.provides
    return merged_map(proposals, evidence.combined, evidence.void, evidence.vocabulary, parts.settings.segment, patches)


def merged_map(
    proposals: MaskProposals, combined: Tensor, void: Tensor, vocabulary: Vocabulary, settings: SegmentSection,
    patches: bool,
) -> PanopticSegmentation:  # fmt: skip
    """Return the panoptic map of overlapping masks, merged on a grid of at most `segment.merge_side`, at full size.

    combined: (n, c) scores, already multiplied by 1 - void; void: (n,).
    vocabulary: of the c classes; a mask that its rest wins is no object.
    patches: whether the masks are patches: then touching ones of one thing class are one instance.
    """
    size = proposals.image_size
    grid = merge_grid(size, settings)
    combined, void = against_rest(combined, void, vocabulary.asked)
    label_map, mask_map, records = panoptic_merge(
        proposals.finest,
        combined.to(proposals.device),  # backbone and proposer may work on different devices
        void.to(proposals.device),
        countable(vocabulary)[: vocabulary.asked],
        size=grid,
        thresholds=merge_thresholds(settings),
    )
    specks = int(settings.smallest_void * grid[0] * grid[1])
    labels, origins = close_void_specks(label_map.cpu().numpy(), mask_map.cpu().numpy(), specks)
    del label_map, mask_map  # of 50 megapixels 200 MB each
    if patches:
        labels, records = join_touching_pieces(labels, records)
    labels, origins = _repeated(labels, size), _repeated(origins, size)
    areas = label_counts(labels, max((r.id for r in records), default=0) + 1)
    names = vocabulary.names
    infos = (replace(r, class_name=names[r.class_index], area=int(areas[r.id])) for r in records)
    return PanopticSegmentation(labels, tuple(info for info in infos if info.area > 0), origins)


def _repeated(grid_map: NDArray[np.int32], size: tuple[int, int]) -> NDArray[np.int32]:
    """Return the map at the size (H, W) of the image: each pixel has what the cell behind it has."""
    if grid_map.shape == size:
        return grid_map
    rows, columns = ((np.arange(full) * small) // full for full, small in zip(size, grid_map.shape, strict=True))
    repeated: NDArray[np.int32] = grid_map[rows[:, None], columns[None, :]]
    return repeated


def merge_grid(size: tuple[int, int], settings: SegmentSection) -> tuple[int, int]:
    """Return the size (H, W) on which masks are merged. size: of the image."""
    shrink = min(1.0, settings.merge_side / max(size))
    return max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))


def merge_thresholds(settings: SegmentSection) -> MergeThresholds:
    """Return the thresholds that are set."""
    return MergeThresholds(settings.object_mask_threshold, settings.overlap_threshold, settings.mask_threshold)


def countable(vocabulary: Vocabulary) -> Tensor:
    """Return (c,) bool, which classes are things; those of which nobody says it are."""
    return torch.tensor([is_thing is not False for is_thing in vocabulary.is_thing])


def provenance(parts: Segmenter) -> dict[str, Any]:
    """Return what produced a result: program, components with versions and settings, feature space, numbers."""
    loaded = {"backbone": parts.backbone, "proposer": parts.proposer}
    if parts.second_backbone is not None:
        loaded["keys"] = parts.second_backbone
    produced_by = {role: _produced_by(component) for role, component in loaded.items()}
    settings = parts.settings.model_dump(mode="json", include={"retrieval", "ensemble", "segment"})
    settings["matching"] = {"threshold": parts.matching_threshold}
    classifiers = [_produced_by(component) for component in parts.classifiers]
    space = parts.keys.component.space.id
    return {"retclip": __version__, "space": space, **produced_by, "classifiers": classifiers, **settings}


def _produced_by(component: Loaded[Any]) -> dict[str, Any]:
    return {"name": component.name, "version": component.version, "settings": dict(component.settings)}
