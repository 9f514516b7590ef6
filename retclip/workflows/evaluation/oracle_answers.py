"""What the answer for an image would be with the truth in the place of some parts of the system.

The segment workflow is the same: true masks are a proposer's, true labels replace its scores before the merge. Only the
perfect choice paints its own map, because there is nothing left to merge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from numpy.typing import NDArray

from retclip.algorithms.best_subset import Choice, best_subset
from retclip.algorithms.mask_frames import pixel_probabilities
from retclip.algorithms.panoptic_matching import labelled, match_segments
from retclip.algorithms.semantic_map import semantic_map
from retclip.evidence import Evidence
from retclip.names import name_key
from retclip.plugin.contracts import PATCHES, MaskProposer
from retclip.types import Image, MaskProposals, PanopticSegmentation, SegmentInfo
from retclip.workflows.evaluation.answer_counts import answer_counts
from retclip.workflows.evaluation.counters import Counters, Prediction
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.evaluation.instances import annotated_instances, merged_instances
from retclip.workflows.evaluation.oracle import Oracle
from retclip.workflows.segment.describe_image import Description
from retclip.workflows.segment.masks import binary
from retclip.workflows.segment.parts import Loaded, PreparedVocabulary, Segmenter
from retclip.workflows.segment.segment_image import decide, describe_images, merge
from retclip.workflows.segment.tree_cut import Decided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

CHOICE_SIDE = 512  # cells of the grid's longer side on which masks are chosen, so that hundreds fit in memory
INSIDE = 0.5  # a pixel is a mask's where its probability is higher


@dataclass(frozen=True)
class Oracles:
    """The oracles that were asked for, and the proposer of the annotation's masks."""

    asked: tuple[Oracle, ...]
    true_masks: Loaded[MaskProposer]

    def describe_truth(
        self, parts: Segmenter, images: Sequence[Image], prepared: PreparedVocabulary, ours: Sequence[Description]
    ) -> list[Description | None]:
        """Return the true masks of each image with their vectors; None where no oracle takes them.

        Names that the annotation has for them are left out. For a classifier that reads the proposer's own embeddings a
        true mask has those of the mask of ours that overlaps most.
        """
        if not any(oracle.masks for oracle in self.asked):
            return [None] * len(images)
        described = describe_images(self.with_true_masks(parts), images, prepared)
        return [
            replace(true, proposals=_with_embeddings(true.proposals, own.proposals))
            for true, own in zip(described, ours, strict=True)
        ]

    def with_true_masks(self, parts: Segmenter) -> Segmenter:
        """Return the parts with the annotation's masks in the place of proposed ones."""
        segment = parts.settings.segment.model_copy(update={"use_prompts": False})
        settings = parts.settings.model_copy(update={"segment": segment})
        return replace(parts, proposer=self.true_masks, settings=settings)


@dataclass(frozen=True, eq=False)
class OracleImage:
    """An image with its masks, proposed and true; answers what an oracle would.

    parts: with the masks' own proposer; true_parts: with the annotation's.
    ours, true: the masks; true is None where no oracle takes them.
    """

    parts: Segmenter
    true_parts: Segmenter
    prepared: PreparedVocabulary
    counters: Counters
    image: Image
    ours: Description
    true: Description | None

    @property
    def truth(self) -> PanopticSegmentation:
        """The annotation."""
        return cast("PanopticSegmentation", self.image.truth)

    def counts(self, oracle: Oracle, number: int, name: str) -> ImageCounts:
        """Return the counts of what the oracle answers. number, name: of the image in its source."""
        parts = self.true_parts if oracle.masks else self.parts
        answer, evidence = self._decided(oracle)
        proposals, asked = answer.proposals, evidence.vocabulary.asked
        merged, provides = merge(parts, evidence, proposals), parts.proposer.provides
        if not oracle.selection:
            return answer_counts(self.counters, self.truth, merged, answer, asked, provides, number, name)
        if self.ours.proposals.parents is not None and not oracle.masks:
            answer, evidence = self._decided(oracle, whole_tree=True)
            proposals = answer.proposals
        labels = _labels(evidence)
        panoptic = self._chosen(proposals, labels, PATCHES in provides)
        if self._quality(panoptic) < self._quality(merged):
            panoptic = merged
        right = torch.from_numpy(labels == self._true_labels(proposals))  # (n,)
        combined = (evidence.combined * right[:, None])[:, :asked].to(proposals.device)
        semantic = semantic_map(proposals.finest, combined, proposals.image_size).cpu().numpy()
        annotated = annotated_instances(self.truth, self.counters.index, self.counters.is_thing)
        prediction = Prediction(panoptic, semantic, merged_instances(panoptic, annotated))
        return self.counters.counted(prediction, self.truth, annotated, number, name)

    def _decided(self, oracle: Oracle, whole_tree: bool = False) -> tuple[Decided, Evidence]:
        """Return masks and scores. whole_tree: every mask of a tree by its own scores, no cut."""
        parts, described = (self.true_parts, self.true) if oracle.masks else (self.parts, self.ours)
        described = cast("Description", described)
        if whole_tree:
            described = replace(described, proposals=replace(described.proposals, parents=None))
        answer, evidence = decide(parts, self.image, self.prepared, described)
        if oracle.masks:
            evidence = _always_objects(evidence)
        if oracle.labels:
            true = torch.from_numpy(self._true_labels(answer.proposals)).to(evidence.combined.device)
            evidence = _relabelled(evidence, true, certain=oracle.masks)
        return replace(answer, combined=evidence.combined, void=evidence.void, uncut=None), evidence

    def _true_labels(self, proposals: MaskProposals) -> NDArray[np.int64]:
        """Return (n,) the class that most annotated pixels of each mask show, -1 where none is annotated."""
        classes = len(self.counters.names)
        number = {segment.id: self._class_of(segment) for segment in self.truth.segments}
        class_map = labelled(self.truth).runs.replaced(number, -1)  # (H, W)
        votes = np.zeros((len(proposals), classes + 1), dtype=np.int64)
        for n in range(len(proposals)):
            votes[n] = np.bincount(class_map[binary(proposals, n)] + 1, minlength=classes + 1)
        return np.where(votes[:, 1:].any(axis=1), votes[:, 1:].argmax(axis=1), -1)

    def _class_of(self, segment: SegmentInfo) -> int:
        return self.counters.index.get(name_key(segment.class_name), -1)

    def _chosen(self, proposals: MaskProposals, labels: NDArray[np.int64], patches: bool) -> PanopticSegmentation:
        """Return the map of the best subset. patches: whether a thing, too, may consist of several masks."""
        segments = [segment for segment in self.truth.segments if not segment.is_crowd and self._class_of(segment) >= 0]
        rows = labelled(self.truth).runs.replaced({segment.id: row for row, segment in enumerate(segments)}, -1)
        height, width = self.image.size
        shrink = min(1.0, CHOICE_SIDE / max(height, width))
        grid = max(1, round(height * shrink)), max(1, round(width * shrink))
        y, x = ((np.arange(small) * full) // small for small, full in zip(grid, (height, width), strict=True))
        choice = best_subset(
            _on_grid(proposals, grid), labels, rows[y[:, None], x[None, :]],
            np.array([self._class_of(segment) for segment in segments], dtype=np.int64),
            np.array([patches or not segment.is_thing for segment in segments], dtype=bool),
        )  # fmt: skip
        numbered = [replace(segment, class_index=self._class_of(segment)) for segment in segments]
        return _painted(proposals, choice, numbered)

    def _quality(self, panoptic: PanopticSegmentation) -> float:
        """Return the panoptic quality of the image, all classes together."""
        matching = match_segments(labelled(panoptic), labelled(self.truth), self.counters.quality.per_class.keys())
        wrong = len(matching.false_positives) + len(matching.false_negatives)
        counted = len(matching.true_positives) + 0.5 * wrong
        return sum(match.iou for match in matching.true_positives) / counted if counted else 1.0


def _labels(evidence: Evidence) -> NDArray[np.int64]:
    """Return (n,) the best class of each mask, -1 where none has a score."""
    if not evidence.combined.numel():
        return np.full(len(evidence.combined), -1, dtype=np.int64)
    best, label = evidence.combined.max(dim=1)
    return np.where(best.cpu().numpy() > 0, label.cpu().numpy(), -1).astype(np.int64)


def _always_objects(evidence: Evidence) -> Evidence:
    """Return the evidence of true masks: none of them is "no object"."""
    combined = evidence.combined / (1.0 - evidence.void[:, None]).clamp(min=1e-6)
    return replace(evidence, combined=combined.clamp(max=1.0), void=torch.zeros_like(evidence.void))


def _relabelled(evidence: Evidence, true: Tensor, certain: bool) -> Evidence:
    """Return the evidence with each mask's best score at its true class, so that the same masks win the same pixels.

    true: (n,) class index; where it is -1 the scores stay.
    certain: whether that score is 1.
    """
    combined, named = evidence.combined, true >= 0
    best = combined.amax(dim=1) if combined.shape[1] else combined.new_zeros(len(combined))  # (n,)
    score = torch.ones_like(best) if certain else best
    placed = torch.zeros_like(combined)
    placed[named, true[named]] = score[named]
    return replace(evidence, combined=torch.where(named[:, None], placed, combined))


def _with_embeddings(true: MaskProposals, ours: MaskProposals) -> MaskProposals:
    if ours.embeddings is None or not len(ours):
        return true
    grid = ours.grid
    theirs, own = (_on_grid(proposals, (grid[0], grid[1])).reshape(len(proposals), -1) for proposals in (true, ours))
    both = theirs.astype(np.float32) @ own.T.astype(np.float32)  # (t, n)
    union = theirs.sum(axis=1)[:, None] + own.sum(axis=1)[None, :] - both
    nearest = torch.from_numpy((both / np.maximum(union, 1)).argmax(axis=1)).to(ours.embeddings.device)  # (t,)
    return replace(true, embeddings=ours.embeddings[nearest])


def _on_grid(proposals: MaskProposals, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Return (n, h, w) bool, the masks on a grid over the photo."""
    masks = [pixel_probabilities(proposals.finest, torch.tensor([n]), grid)[0] > INSIDE for n in range(len(proposals))]
    return torch.stack(masks).cpu().numpy() if masks else np.zeros((0, *grid), dtype=bool)


def _painted(proposals: MaskProposals, choice: Choice, segments: Sequence[SegmentInfo]) -> PanopticSegmentation:
    """Return the map of chosen masks, those that are right more often above the others."""
    label_map = np.zeros(proposals.image_size, dtype=np.int32)
    mask_map = np.full(proposals.image_size, -1, dtype=np.int32)
    for n in np.argsort(choice.share, kind="stable").tolist():
        if choice.segment[n] >= 0:
            pixels = binary(proposals, n)
            label_map[pixels], mask_map[pixels] = choice.segment[n] + 1, n
    areas = np.bincount(label_map.ravel(), minlength=len(segments) + 1)
    infos = [
        replace(segment, id=row + 1, area=int(areas[row + 1]), score=float(choice.share[choice.segment == row].max()))
        for row, segment in enumerate(segments)
        if areas[row + 1]
    ]
    return PanopticSegmentation(label_map, tuple(infos), mask_map)
