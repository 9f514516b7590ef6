"""Panoptic quality of one image for many settings at once, from `merge_tables`, as panopticapi decides (method.md 5.2).

The rules are those of `panoptic_matching`: a segment and an annotated one match when their classes are equal, the
annotation is no crowd, and IoU > 0.5 without the pixels that the annotation leaves void; an unmatched segment is no
false positive when more than half of it lies in void or in the crowd region of its own class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64
from numpy.typing import NDArray

from retclip.algorithms.panoptic_matching import MATCH, VOID


@dataclass(frozen=True, eq=False)
class AnnotatedTable:
    """The annotation of an image. Axis t: void first, then its segments.

    classes: (t,) class index, -1 for void.
    crowd: (t,) regions of many objects.
    areas: (t,) pixels.
    """

    classes: Int64[np.ndarray, "t"]
    crowd: Bool[np.ndarray, "t"]
    areas: Int64[np.ndarray, "t"]


@dataclass(frozen=True, eq=False)
class QualityCounts:
    """Counts of s settings and c classes. tp, fp, fn: (s, c) segments; iou_sum: (s, c) over the true positives."""

    tp: Float[np.ndarray, "s c"]
    fp: Float[np.ndarray, "s c"]
    fn: Float[np.ndarray, "s c"]
    iou_sum: Float[np.ndarray, "s c"]


def table_quality(
    inside: Int64[np.ndarray, "s m t"],
    labels: Int64[np.ndarray, "s m"],
    surviving: Bool[np.ndarray, "s m"],
    is_thing: Bool[np.ndarray, "c"],
    annotation: AnnotatedTable,
) -> QualityCounts:
    """Return the counts of one image.

    inside: of each setting the pixels of each mask under each annotated segment, `MergeTables.inside`.
    labels: the class of each mask; surviving: whether it is left after the merge.

    Worked example: a mask of 8 pixels, 6 of them on an annotated car of 6 and 2 on void: as a car its IoU is
    6 / (8 + 6 - 6 - 2) = 1; as a truck it is a false positive, and the car is missed.
    """
    table, classes = _segments(inside, labels, surviving, is_thing)  # (s, g, t), (s, g)
    areas = table.sum(axis=2)  # (s, g)
    there = (classes >= 0) & (areas > 0)
    void = table[..., VOID]  # (s, g)
    union = areas[..., None] + annotation.areas - table - void[..., None]  # (s, g, t)
    same = there[..., None] & (classes[..., None] == annotation.classes) & ~annotation.crowd  # (s, g, t)
    iou = np.divide(table, union, out=np.zeros(table.shape), where=same & (union > 0))  # (s, g, t)
    matched = iou > MATCH
    excused = (void + _in_crowds(table, classes, annotation)) / np.maximum(areas, 1) > MATCH  # (s, g)
    wrong = there & ~matched.any(axis=2) & ~excused
    recalled = matched.any(axis=1)  # (s, t)
    shape = len(labels), len(is_thing)
    tp, fn, iou_sum = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for t, index in enumerate(annotation.classes.tolist()):
        if t != VOID and not annotation.crowd[t]:
            tp[:, index] += recalled[:, t]
            fn[:, index] += ~recalled[:, t]
            iou_sum[:, index] += np.where(matched[..., t], iou[..., t], 0.0).sum(axis=1)
    keys = (np.arange(shape[0])[:, None] * shape[1] + classes)[wrong]
    fp = np.bincount(keys, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    return QualityCounts(tp, fp, fn, iou_sum)


def _segments(
    inside: NDArray[np.int64], labels: NDArray[np.int64], surviving: NDArray[np.bool_], is_thing: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pixels (s, g, t) and class (s, g) of g segments, -1 = none: one of each mask of a thing, then one of each
    stuff class, of all its masks."""
    settings, masks, t = inside.shape
    countable = surviving & is_thing[labels]  # (s, m)
    stuff = surviving & ~countable
    kinds = np.unique(labels[stuff])  # (k,)
    table = np.zeros((settings, masks + len(kinds), t), dtype=np.int64)
    classes = np.full((settings, masks + len(kinds)), -1, dtype=np.int64)
    table[:, :masks][countable] = inside[countable]
    classes[:, :masks][countable] = labels[countable]
    for n in range(masks):
        rows = stuff[:, n].nonzero()[0]
        slots = masks + np.searchsorted(kinds, labels[rows, n])
        table[rows, slots] += inside[rows, n]  # a setting once
        classes[rows, slots] = labels[rows, n]
    return table, classes


def _in_crowds(table: NDArray[np.int64], classes: NDArray[np.int64], annotation: AnnotatedTable) -> NDArray[np.int64]:
    """Return (s, g) the pixels of each segment in the crowd region of its class; of several the last counts."""
    pixels = np.zeros(classes.shape, dtype=np.int64)
    for t in annotation.crowd.nonzero()[0]:
        pixels = np.where(classes == annotation.classes[t], table[..., t], pixels)
    return pixels
