"""Which segments of a prediction match which of the annotation, exactly as panopticapi decides (method.md 5.2).

A prediction and an annotated segment match when their classes are equal, the annotation is no crowd, and IoU > 0.5,
where pixels that the annotation leaves void are taken out of the union. An unmatched prediction is no false positive
when more than half of it lies in void or in the crowd region of its own class; of several crowd regions of a class in
one image the last counts, as in panopticapi.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from retclip.algorithms.label_runs import LabelRuns, label_overlaps, runs_of_map
from retclip.errors import DataError
from retclip.types import PanopticSegmentation, SegmentInfo

MATCH = 0.5  # IoU above which at most one prediction can match an annotated segment
VOID = 0


@dataclass(frozen=True, eq=False)
class Labelled:
    """A panoptic map as runs, with a segment for each id."""

    runs: LabelRuns
    segments: Sequence[SegmentInfo]


@dataclass(frozen=True)
class Match:
    """A true positive. iou: in (0.5, 1]."""

    predicted: SegmentInfo
    annotated: SegmentInfo
    iou: float


@dataclass(frozen=True)
class Matching:
    """The segments of one image, compared.

    overlaps: pixels of each pair (predicted id, annotated id), void (0) included.
    """

    true_positives: tuple[Match, ...]
    false_positives: tuple[SegmentInfo, ...]
    false_negatives: tuple[SegmentInfo, ...]
    overlaps: Mapping[tuple[int, int], int]


def labelled(result: PanopticSegmentation) -> Labelled:
    """Return a panoptic map as runs."""
    return Labelled(runs_of_map(result.label_map), result.segments)


def match_segments(predicted: Labelled, truth: Labelled, classes: Collection[str]) -> Matching:
    """Compare the segments of one image.

    classes: of the data set.
    Raises DataError where sizes differ, a map and its segments disagree, or a class is not of the data set.
    """
    if predicted.runs.shape != truth.runs.shape:
        raise DataError(f"a prediction of size {truth.runs.shape}", f"{predicted.runs.shape}", "predict at full size")
    predictions = segments_by_id(predicted, classes, "prediction")
    annotations = segments_by_id(truth, classes, "annotation")
    overlaps = label_overlaps(predicted.runs, truth.runs)
    matches = _matches(predictions, annotations, overlaps, predicted.runs.areas, truth.runs.areas)
    taken = {match.predicted.id for match in matches}
    matched = {match.annotated.id for match in matches}
    crowds = {segment.class_name: segment.id for segment in truth.segments if segment.is_crowd}  # the last one counts
    false_positives = tuple(
        segment
        for segment in predicted.segments
        if segment.id not in taken and not _is_excused(segment, crowds, overlaps, predicted.runs.areas[segment.id])
    )
    missed = tuple(segment for segment in truth.segments if not segment.is_crowd and segment.id not in matched)
    return Matching(tuple(matches), false_positives, missed, overlaps)


def _matches(
    predictions: Mapping[int, SegmentInfo], annotations: Mapping[int, SegmentInfo],
    overlaps: Mapping[tuple[int, int], int], predicted_areas: Mapping[int, int], areas: Mapping[int, int],
) -> list[Match]:  # fmt: skip
    matches = []
    for (predicted_id, truth_id), intersection in overlaps.items():
        if predicted_id == VOID or truth_id == VOID:
            continue
        prediction, annotation = predictions[predicted_id], annotations[truth_id]
        if annotation.is_crowd or prediction.class_name != annotation.class_name:
            continue
        in_void = overlaps.get((predicted_id, VOID), 0)
        iou = intersection / (predicted_areas[predicted_id] + areas[truth_id] - intersection - in_void)
        if iou > MATCH:
            matches.append(Match(prediction, annotation, iou))
    return matches


def _is_excused(
    segment: SegmentInfo, crowds: Mapping[str, int], overlaps: Mapping[tuple[int, int], int], area: int
) -> bool:
    """Return whether void and the crowd region of its class cover more than half of an unmatched prediction."""
    covered = overlaps.get((segment.id, VOID), 0)
    if segment.class_name in crowds:
        covered += overlaps.get((segment.id, crowds[segment.class_name]), 0)
    return covered / area > MATCH


def segments_by_id(result: Labelled, classes: Collection[str], role: str) -> dict[int, SegmentInfo]:
    """Return the segments by id. Raises DataError where they are not those of the map, or of another data set."""
    segments = {segment.id: segment for segment in result.segments}
    if result.runs.areas.keys() != segments.keys():
        differing = sorted(result.runs.areas.keys() ^ segments.keys())[:5]
        raise DataError(f"the {role}'s map and segments to have the same ids", f"differing {differing}", "repair it")
    unknown = sorted({segment.class_name for segment in result.segments if segment.class_name not in classes})
    if unknown:
        raise DataError(f"classes of the data set in the {role}", ", ".join(unknown), "map them first")
    return segments
