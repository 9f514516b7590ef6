"""A photo's scores on disk, `NNNNNN.npz`: everything that decides its labels, before anything is mixed, and the truth.

Plain arrays (never pickles) with one JSON text, `about`; docs/tuning.md lists them. Numbers are kept as they are: what
is decided of them again is the same to the last bit.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from retclip.algorithms.mask_frames import grid_probabilities
from retclip.errors import DataError
from retclip.own_files import written_whole
from retclip.passed_over import PassedOver
from retclip.types import (
    FeatureSpace,
    LabelLogits,
    MaskLogits,
    MaskProposals,
    PanopticSegmentation,
    SegmentFeatures,
    SegmentInfo,
)
from retclip.workflows.explain.evidence_arrays import (
    Arrays,
    neighbours_in,
    optional,
    plain,
    put_neighbours,
    put_scores,
    scores_in,
)
from retclip.workflows.explain.evidence_checks import Source
from retclip.workflows.segment.neighbours import Searched, parted, side_by_side
from retclip.workflows.segment.score_masks import ScoredMasks
from retclip.workflows.tuning.object_arrays import objects_in, put_objects


@dataclass(frozen=True, eq=False)
class ScoredPhoto:
    """What is known of one annotated photo before anything is mixed.

    number, name: of the photo in its source.
    scored: its masks with the scores of every classifier, and the neighbours.
    keys: (n, d) the vectors that were searched with, where they are of a second backbone.
    truth: its annotation; passed_over: what was left out of that.
    """

    number: int
    name: str
    image_sha256: str
    scored: ScoredMasks
    truth: PanopticSegmentation
    keys: Tensor | None = None
    passed_over: PassedOver = field(default_factory=PassedOver)


def save_scores(path: Path, photo: ScoredPhoto) -> None:
    """Write a photo's scores, whole or not at all."""
    arrays: Arrays = {}
    about = {
        "number": photo.number, "name": photo.name, "image_sha256": photo.image_sha256,
        "passed_over": asdict(photo.passed_over),
        **_put_masks(arrays, photo.scored.proposals),
        **_put_scored(arrays, photo.scored),
        **_put_truth(arrays, photo.truth),
    }  # fmt: skip
    if photo.keys is not None:
        arrays["keys"] = plain(photo.keys)
    with written_whole(path) as temporary, temporary.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]


def load_scores(path: Path, space: FeatureSpace, seen: Tensor) -> ScoredPhoto:
    """Return what `save_scores` wrote.

    space: of the vectors; seen: (c,) bool, `ScoredMasks.seen`.
    Raises DataError.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays: Arrays = dict(archive)
        about = json.loads(str(arrays["about"]))
        passed_over = PassedOver.of_dict(about["passed_over"])
        return ScoredPhoto(
            about["number"], about["name"], about["image_sha256"], _scored_in(arrays, about, space, seen),
            _truth_in(arrays, about), optional(arrays, "keys"), passed_over,
        )  # fmt: skip
    except Exception as error:  # zipfile, zlib, json and numpy raise many kinds for damaged files
        todo = "remove it and tune again: this photo alone goes through the models once more"
        raise DataError(f"scores of a photo, as `retclip tune` writes them: {path}", str(error), todo) from error


def _put_masks(arrays: Arrays, proposals: MaskProposals) -> dict[str, Any]:
    arrays["objectness"] = plain(proposals.objectness)
    logits, grid = proposals.logits, proposals.grid
    if logits is not None:
        arrays["logits"] = plain(logits.values)
    if logits is None or not torch.equal(_masks_of(logits, grid), proposals.masks):
        arrays["masks"] = plain(proposals.masks)
    for name in ("embeddings", "parents"):
        values = getattr(proposals, name)
        if values is not None:
            arrays[name] = plain(values)
    framed = None if logits is None else {"frame": logits.frame, "inner": logits.inner}
    return {"image_size": proposals.image_size, "grid": grid, "logits": framed, "prompts": proposals.prompts}


def _masks_of(logits: MaskLogits, grid: tuple[int, ...]) -> Tensor:
    return grid_probabilities(logits, (grid[0], grid[1]))


def _masks_in(arrays: Arrays, about: dict[str, Any]) -> MaskProposals:
    framed = about["logits"]
    logits = None
    if framed is not None:
        logits = MaskLogits(torch.from_numpy(arrays["logits"]), tuple(framed["frame"]), tuple(framed["inner"]))
    masks = optional(arrays, "masks")
    if masks is None and logits is not None:
        masks = _masks_of(logits, tuple(about["grid"]))
    if masks is None:
        raise ValueError("neither masks nor logits")
    height, width = about["image_size"]
    return MaskProposals(
        masks, torch.from_numpy(arrays["objectness"]), (height, width),
        None if about["prompts"] is None else tuple(about["prompts"]), optional(arrays, "embeddings"), logits,
        parents=optional(arrays, "parents"),
    )  # fmt: skip


def _put_scored(arrays: Arrays, scored: ScoredMasks) -> dict[str, Any]:
    arrays["vectors"] = plain(scored.segments.vectors)
    arrays["covered"] = plain(scored.segments.covered)
    put_scores(arrays, "", scored.scores)
    labels, searched = scored.segments.label_logits, scored.searched
    if labels is not None:
        arrays["label_segments"] = plain(labels.segments)
        arrays["label_image"] = plain(labels.image)
    if scored.possible is not None:
        arrays["possible"] = plain(scored.possible)
    if searched is not None:
        put_neighbours(arrays, "neighbour", side_by_side(searched.voters, searched.beyond))
        arrays["supported"] = plain(searched.voters.supported)
    return {
        "scores": [{"role": s.role, "classifier": s.classifier, "rule": s.rule} for s in scored.scores],
        "labels": None if labels is None else labels.labels,
        "searched": None if searched is None
        else {"k": searched.k, "further": searched.further, "per_class": searched.per_class},
    }  # fmt: skip


def _scored_in(arrays: Arrays, about: dict[str, Any], space: FeatureSpace, seen: Tensor) -> ScoredMasks:
    labels = None
    if about["labels"] is not None:
        labels = LabelLogits(
            about["labels"], torch.from_numpy(arrays["label_segments"]), torch.from_numpy(arrays["label_image"])
        )
    vectors, covered = torch.from_numpy(arrays["vectors"]), torch.from_numpy(arrays["covered"])
    segments = SegmentFeatures(vectors, covered, space, labels)
    scores = scores_in(arrays, "", [Source.model_validate(source) for source in about["scores"]])
    searched, numbers = None, about["searched"]
    if numbers is not None:
        every = neighbours_in(arrays, "neighbour")
        searched = Searched(*parted(every, numbers["k"], numbers["per_class"]), **numbers)
    return ScoredMasks(_masks_in(arrays, about), segments, scores, searched, seen, optional(arrays, "possible"))


def _put_truth(arrays: Arrays, truth: PanopticSegmentation) -> dict[str, Any]:
    arrays["label_map"] = truth.label_map
    return {
        "segments": [asdict(segment) for segment in truth.segments],
        "objects": None if truth.objects is None else put_objects(arrays, truth.objects),
    }


def _truth_in(arrays: Arrays, about: dict[str, Any]) -> PanopticSegmentation:
    segments = tuple(SegmentInfo(**segment) for segment in about["segments"])
    objects = None if about["objects"] is None else objects_in(arrays, about["objects"])
    return PanopticSegmentation(arrays["label_map"], segments, objects=objects)
