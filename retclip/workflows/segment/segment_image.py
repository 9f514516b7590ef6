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
from torch import Tensor

from retclip._version import __version__
from retclip.algorithms.ensemble import EnsembleWeights, ensemble
from retclip.algorithms.panoptic_merge import MergeThresholds, panoptic_merge
from retclip.algorithms.touching_pieces import join_touching_pieces
from retclip.algorithms.void_specks import close_void_specks
from retclip.device import inference
from retclip.evidence import DecisionInputs, Evidence
from retclip.names import name_key
from retclip.plugin.calls import on_photos
from retclip.plugin.checks import checked_scores
from retclip.plugin.contracts import PATCHES
from retclip.types import DenseFeatures, Image, MaskProposals, PanopticSegmentation, Role, Vocabulary
from retclip.workflows.segment.describe_image import (
    Description,
    addresses,
    key_features,
    keys_of,
    proposals_of,
    vectors_of,
)
from retclip.workflows.segment.masks import boxes
from retclip.workflows.segment.neighbours import Searched, search_neighbours
from retclip.workflows.segment.parts import Loaded, PreparedVocabulary, Segmenter
from retclip.workflows.segment.score_rules import pruned, without_void_of_some
from retclip.workflows.segment.tree_cut import Decided, at_best_cut
from retclip.workflows.segment.vocabulary import needs_neighbours


def segment_images(
    parts: Segmenter, images: Sequence[Image], prepared: PreparedVocabulary
) -> list[tuple[PanopticSegmentation, Evidence]]:
    """Return of each image its panoptic map, at its own size, and the evidence for each mask's label."""
    answers = []
    for image, described in zip(images, describe_images(parts, images, prepared), strict=True):
        proposals, evidence = decide(parts, image, prepared, described)
        answers.append((merge(parts, evidence, proposals), evidence))
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
        proposals = replace(proposals, prompts=None)
    segments = vectors_of(parts, image, features, proposals)
    return Description(proposals, segments, keys_of(parts, image, key_grid, proposals, segments))


def decide(
    parts: Segmenter, image: Image, prepared: PreparedVocabulary, described: Description
) -> tuple[MaskProposals, Evidence]:
    """Score every mask by every classifier and combine the scores; of a tree of masks return those of the best cut."""
    settings, vocabulary = parts.settings, prepared.vocabulary
    proposals, segments = described.proposals, described.segments
    searched = search_neighbours(parts, prepared, described.keys) if needs_neighbours(parts) else None
    neighbours = searched.voters if searched else None
    scores = []
    for classifier in parts.classifiers:
        with inference(classifier.device), on_photos(classifier.name, addresses([image])):
            answer = classifier.component.score(proposals, segments, vocabulary, neighbours)
        answer = checked_scores(answer, len(proposals), vocabulary, classifier.name, neighbours)
        scores.append(replace(answer, classifier=classifier.name))
    possible, seen = _possible(proposals, vocabulary.names), seen_classes(parts, prepared)
    scores = pruned(without_void_of_some(scores), possible, neighbours)
    weights = EnsembleWeights(**settings.ensemble.model_dump())
    combined, void = ensemble(scores, seen, weights, covered=segments.covered)
    inputs = _inputs(searched, seen, segments.covered, possible) if searched else None
    decided = Decided(proposals, neighbours, tuple(scores), combined, void, inputs)
    if proposals.parents is not None:
        cut = settings.segment
        decided = at_best_cut(decided, proposals.parents, cut.own_scores, cut.mask_cost)
    return decided.proposals, Evidence(
        image_sha256=image.sha256,
        image_uri=image.uri,
        vocabulary=vocabulary,
        neighbours=decided.neighbours,
        scores=decided.scores,
        combined=decided.combined,
        void=decided.void,
        boxes=boxes(decided.proposals),
        settings=provenance(parts),
        matches=prepared.matches,
        inputs=decided.inputs,
    )


def merge(parts: Segmenter, evidence: Evidence, proposals: MaskProposals) -> PanopticSegmentation:
    """Return the panoptic map of overlapping masks, merged on a grid of at most `segment.merge_side`, at full size.

    Of a proposer whose masks are patches, touching ones of one thing class are one instance.
    """
    settings, size = parts.settings.segment, proposals.image_size
    shrink = min(1.0, settings.merge_side / max(size))
    grid = (max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink)))
    label_map, mask_map, records = panoptic_merge(
        proposals.finest,
        evidence.combined.to(proposals.masks.device),  # backbone and proposer may work on different devices
        evidence.void.to(proposals.masks.device),
        torch.tensor([is_thing is not False for is_thing in evidence.vocabulary.is_thing]),
        size=grid,
        thresholds=MergeThresholds(settings.object_mask_threshold, settings.overlap_threshold, settings.mask_threshold),
    )
    specks = int(settings.smallest_void * grid[0] * grid[1])
    labels, origins = close_void_specks(label_map.cpu().numpy(), mask_map.cpu().numpy(), specks)
    if PATCHES in parts.proposer.provides:
        labels, records = join_touching_pieces(labels, records)
    rows, columns = ((np.arange(full) * small) // full for full, small in zip(size, grid, strict=True))
    full, origin = (grid_map[rows[:, None], columns[None, :]] for grid_map in (labels, origins))
    areas = np.bincount(full.ravel(), minlength=max((r.id for r in records), default=0) + 1)
    names = evidence.vocabulary.names
    infos = (replace(r, class_name=names[r.class_index], area=int(areas[r.id])) for r in records)
    return PanopticSegmentation(full, tuple(info for info in infos if info.area > 0), origin)


def _inputs(searched: Searched, seen: Tensor, covered: Tensor, possible: Tensor | None) -> DecisionInputs:
    return DecisionInputs(
        searched.beyond, searched.k, searched.further, searched.per_class, seen, covered.cpu(), possible
    )


def _possible(proposals: MaskProposals, names: tuple[str, ...]) -> Tensor | None:
    """Return (n, c) bool, False for classes that a class-aware proposer did not detect (training-free path, paper 2.2).

    A mask without a prompt, from a grid of points say, rules no class out; None where no mask has one.
    """
    prompts = proposals.prompts or ()
    prompted = torch.tensor([prompt is not None for prompt in prompts], dtype=torch.bool)  # (n,)
    if not prompted.any():
        return None
    detected = torch.tensor([name in prompts for name in names], dtype=torch.bool)  # (c,)
    return detected[None] | ~prompted[:, None]  # (n, c)


def seen_classes(parts: Segmenter, prepared: PreparedVocabulary) -> Tensor:
    """Return (c,) bool, the classes that an in-vocabulary head was trained on (exact terms, FC-CLIP's rule, method.md
    1.7).
    """
    trained = {
        name_key(term)
        for classifier in parts.classifiers
        if classifier.component.role is Role.IN_VOCABULARY
        for term in getattr(classifier.component, "trained_on", ())
    }
    return classes_with_terms(prepared.vocabulary, trained)


def classes_with_terms(vocabulary: Vocabulary, keys: set[str]) -> Tensor:
    """Return (c,) bool, the classes any of whose terms has its key among `keys`."""
    matching = torch.zeros(len(vocabulary), dtype=torch.bool)
    for term, row in zip(vocabulary.terms, vocabulary.row_class.tolist(), strict=True):
        matching[row] |= name_key(term) in keys
    return matching


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
