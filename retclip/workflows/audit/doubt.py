"""Doubt every label of a store at once: three views of each segment, a rule fitted to the store, a sorted list.

Nothing is kept, for the rule is fitted to all labels: one that changes may change every doubt.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from retclip.algorithms.label_doubt import fitted_rule, mask_shapes, standardised, within_class_vectors
from retclip.algorithms.label_trust import Labelled, distances_to_classes
from retclip.progress import OnProgress, Progress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import DoubtedLabel, JudgedSegments

FITTED = 20_000  # segments at most that the rule is fitted to, evenly taken, and whose distances are kept at once
BLOCK = 4096  # segments between two looks at the progress
ENOUGH = 5.0  # segments of a class, in the mean, from which on a rule can be fitted; see docs/audit.md


def can_be_doubted(segments: JudgedSegments) -> bool:
    """Tell whether the classes of a store have enough segments to fit a rule to, and not more than it is fitted to.

    Doubt is computed anew each time, four times as long as trust, which is kept: too long for a store that is larger,
    unless somebody asks for it.
    """
    return FITTED >= len(segments) >= ENOUGH * max(1, len(np.unique(segments.categories)))


def doubted_labels(
    store: FeatureStore, segments: JudgedSegments, device: str = "cpu", on_progress: OnProgress = silent
) -> list[DoubtedLabel]:
    """List the labels of a space that its segments speak against, the most doubted first: those of which another
    class is likelier.

    segments: all of a space; equal numbers of `images` do not speak for each other.
    """
    numbers, labels = np.unique(segments.categories, return_inverse=True)
    classes = torch.from_numpy(labels.astype(np.int64)).to(device)
    views, size = _views(store, segments, classes)
    everyone = torch.arange(len(segments), device=device)
    some = everyone[:: max(1, -(-len(segments) // FITTED))]
    distances = _distances(views, some, len(numbers), on_progress)
    rule = fitted_rule(distances, classes[some], size[some])
    parts = [rule.judged(distances, classes[some], size[some])]
    if len(some) < len(everyone):
        parts = [
            rule.judged(_distances(views, rows, len(numbers), on_progress), classes[rows], size[rows])
            for rows in everyone.split(FITTED)
        ]
    doubt, other = (torch.cat(part).cpu().numpy() for part in zip(*parts, strict=True))
    names = {row.id: row.name for row in store.classes.all()}
    against = np.flatnonzero(other >= 0)
    found = [
        DoubtedLabel(
            segments.ids[place], names[numbers[labels[place]]], float(doubt[place]), names[numbers[other[place]]]
        )
        for place in against.tolist()
    ]
    return sorted(found, key=lambda label: (-label.doubt, label.id))


def _views(store: FeatureStore, segments: JudgedSegments, classes: Tensor) -> tuple[list[Labelled], Tensor]:
    """Return the three views of `label_doubt`, and the (n,) standardised size of masks."""
    boxes = store.segments.mask_boxes(segments.ids)
    shapes = standardised(mask_shapes(torch.tensor([boxes[one] for one in segments.ids], dtype=torch.float64)))
    shapes = shapes.to(classes.device)
    vectors = torch.from_numpy(segments.vectors).to(classes.device)
    photos = torch.from_numpy(segments.images).to(classes.device)
    seen = (vectors, within_class_vectors(vectors, classes), within_class_vectors(shapes, classes))
    return [Labelled(view, classes, photos) for view in seen], shapes[:, 0]


def _distances(views: list[Labelled], rows: Tensor, classes: int, on_progress: OnProgress) -> Tensor:
    """Compute (3, n, c) distances of segments to the classes, a block at a time."""
    numbers, blocks = torch.arange(classes, device=rows.device), rows.split(BLOCK)
    parts = list[Tensor]()
    for block in blocks:
        parts.append(torch.stack([distances_to_classes(view[block], view, numbers) for view in views]))
        on_progress(Progress("doubt", int(block[-1]) + 1, len(views[0])))
    return torch.cat(parts, dim=1)
