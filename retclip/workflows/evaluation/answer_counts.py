"""What is counted of one image's answer: its panoptic map, the semantic map of its scores, its instances."""

from __future__ import annotations

from collections.abc import Collection

from retclip.algorithms.semantic_map import semantic_map
from retclip.plugin.contracts import ANNOTATION, PATCHES
from retclip.types import PanopticSegmentation
from retclip.workflows.evaluation.counters import Counters, Prediction
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.evaluation.instances import annotated_instances, merged_instances, predicted_instances
from retclip.workflows.segment.tree_cut import Decided


def answer_counts(  # noqa: PLR0913  (an answer, its annotation, and where both are counted)
    counters: Counters,
    truth: PanopticSegmentation,
    panoptic: PanopticSegmentation,
    answer: Decided,
    asked: int,
    provides: Collection[str],
    number: int,
    name: str,
    precision: bool = True,
) -> ImageCounts:
    """Return the counts of an image; nothing is added.

    panoptic: its map.
    answer: its masks and their scores.
    asked: how many classes were asked for, the first ones of the scores.
    provides: what the proposer of the masks says of them.
    number, name: of the image in its source.
    precision: whether AP is counted.
    Raises DataError where answer and annotation do not fit.
    """
    proposals = answer.proposals
    combined = answer.combined[:, :asked].to(proposals.device)
    annotated = annotated_instances(truth, counters.index, counters.is_thing)
    instances = None
    if precision and PATCHES in provides:
        instances = merged_instances(panoptic, annotated)
    elif precision:
        instances = predicted_instances(proposals, combined, counters.is_thing, annotated, ANNOTATION in provides)
    masks, scores = answer.semantic_scores()
    semantic = semantic_map(masks.finest, scores[:, :asked].to(masks.device), masks.image_size).cpu().numpy()
    return counters.counted(Prediction(panoptic, semantic, instances), truth, annotated, number, name)
