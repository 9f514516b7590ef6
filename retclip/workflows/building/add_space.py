"""Adds a feature space: vectors of another backbone for every segment, pooled over the stored masks of the stored
photos.

    segments without a vector in the space -> their photo again -> stored masks -> mask-pooled vectors
           -> archive shard + one SQL transaction -> that space's index follows

No mask is proposed again and no other space is changed. There is no ledger: what is left to do is what has no vector,
so a run that was killed anywhere continues. A photo that cannot be used leaves its segments without a vector, and the
space is not searched until the photo is back or the gap is accepted (`accept_failed`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from retclip._version import __version__
from retclip.errors import DataError
from retclip.plugin.contracts import Backbone
from retclip.progress import OnProgress, Progress, silent
from retclip.store.feature_store import FeatureStore
from retclip.store.records import AddedVectors, Failure, OpenRun, RunPlan, StoredMask, StoredPhoto
from retclip.store.states import GapReason, RunKind
from retclip.types import Image
from retclip.workflows.building.build_loop import ended_with
from retclip.workflows.building.mask_vectors import mask_vectors
from retclip.workflows.building.provenance import records
from retclip.workflows.building.stored_photos import OpenSource, photos_missing_vectors
from retclip.workflows.segment.parts import Loaded


@dataclass(frozen=True)
class AddSpaceReport:
    """The result of a run.

    total: images with a segment that has no vector.
    images: those that could be used.
    segments: vectors stored.
    dropped: masks that cover no feature cell.
    accepted: segments without a vector whose gap is accepted because their photo cannot be used, now or earlier.
    lacking: segments still without a vector.
    failures: photos that could not be used, and dropped masks, each with its reason.
    """

    run: int = 0
    space: str = ""
    total: int = 0
    images: int = 0
    segments: int = 0
    dropped: int = 0
    accepted: int = 0
    lacking: int = 0
    failures: tuple[Failure, ...] = ()
    seen: int = 0  # of `total` images

    @property
    def progress(self) -> Progress:
        """Return the progress record of this state."""
        failed, note = len(self.failures), f"{self.segments} vectors"
        return Progress("add-space", self.seen, self.total, failed, note=note)


def add_space(
    store: FeatureStore,
    backbone: Loaded[Backbone],
    open_source: OpenSource,
    commit_images: int,
    accept_failed: bool = False,
    on_progress: OnProgress = silent,
    weights_place: Path | None = None,
) -> AddSpaceReport:
    """Give every living segment its vector of that backbone.

    open_source: opens the image source of an address.
    accept_failed: accept the gap of segments whose photo cannot be used, so that the space is complete without them; a
    later run fills it where the photo is back.
    weights_place: folder of weights, None = the default (`weights.place`).
    Raises StoreMissing for an empty store, StoreBusy, PluginError, DataError for weight files that are gone; a bad
    photo is a failure in the report. On KeyboardInterrupt the finished images are committed first.
    """
    run = store.runs.start(_plan(backbone, commit_images, accept_failed, weights_place), new_space=True)
    loop = _Loop(store, backbone, run, accept_failed)
    with ended_with(store, run, loop.counts):
        loop.work_through(photos_missing_vectors(store, run.space_id, open_source), commit_images, on_progress)
    return loop.report


def _plan(backbone: Loaded[Backbone], commit_images: int, accept_failed: bool, place: Path | None) -> RunPlan:
    """Return the run's plan; its images and masks are those of the store."""
    made_with = {"backbone": backbone.name, "version": backbone.version, "settings": dict(backbone.settings)}
    return RunPlan(
        kind=RunKind.ADD_SPACE, source="", dataset="(stored images)", proposer="(stored masks)", proposer_version="",
        proposer_settings={}, recipe="", space=backbone.component.space, program=__version__,
        config={**made_with, "commit_images": commit_images, "accept_failed": accept_failed},
        components=records({"backbone": backbone}, place),
    )  # fmt: skip


class _Loop:
    """The loop over the photos of one run; `report` is its state at any time."""

    def __init__(self, store: FeatureStore, backbone: Loaded[Backbone], run: OpenRun, accept_failed: bool) -> None:
        self._store, self._backbone, self._run, self._accept_failed = store, backbone, run, accept_failed
        self.report = AddSpaceReport(
            run.id, backbone.component.space.id, store.spaces.count_photos_missing_vectors(run.space_id)
        )

    def work_through(
        self, photos: Iterator[tuple[StoredPhoto, Image | DataError]], at_once: int, on_progress: OnProgress
    ) -> None:
        """Commit the photos in groups of `at_once`; an interrupt commits the finished ones of its group."""
        for first in photos:
            results: list[AddedVectors] = []
            try:
                for photo, answer in chain([first], islice(photos, at_once - 1)):
                    results += self._vectors_of(photo, answer)
            finally:  # also on Ctrl-C: what is done is kept
                self._commit(results)
            on_progress(self.report.progress)

    def counts(self) -> dict[str, Any]:
        """Return the counts for the run's row, with what is left to do now."""
        self.report = replace(self.report, lacking=self._store.spaces.state(self._backbone.component.space).lacking)
        return asdict(replace(self.report, failures=())) | {"failures": len(self.report.failures)}

    def _commit(self, results: Sequence[AddedVectors]) -> None:
        if results:
            stored = self._store.spaces.add_vectors(self._run, self._backbone.component.space, results)
            self.report = replace(self.report, segments=self.report.segments + stored)

    def _vectors_of(self, photo: StoredPhoto, answer: Image | DataError) -> list[AddedVectors]:
        """Return the vectors of one photo and note failures; none where it cannot be used and the gap is not
        accepted.
        """
        masks = self._store.spaces.masks_missing_vectors(self._run.space_id, photo.id)
        try:
            if isinstance(answer, DataError):
                raise answer
            vectors, covered = mask_vectors(self._backbone, answer, [mask.rle for mask in masks])
        except DataError as error:
            return self._unusable(photo, masks, str(error))
        covered_masks = tuple(mask for mask, met in zip(masks, covered, strict=True) if met)
        without = tuple(mask for mask, met in zip(masks, covered, strict=True) if not met)
        self.report = replace(
            self.report,
            seen=self.report.seen + 1,
            images=self.report.images + 1,
            dropped=self.report.dropped + len(without),
            failures=(*self.report.failures, *(_dropped(self._backbone.name, photo, mask) for mask in without)),
        )
        return [AddedVectors(covered_masks, vectors[covered], without, GapReason.MASK)]

    def _unusable(self, photo: StoredPhoto, masks: list[StoredMask], reason: str) -> list[AddedVectors]:
        self.report = replace(self.report, seen=self.report.seen + 1)
        accepted = all(mask.accepted for mask in masks)  # it was told, and accepted, in an earlier run
        if not accepted:
            failure = Failure(photo.external_id, photo.uri, reason)
            self.report = replace(self.report, failures=(*self.report.failures, failure))
        if not self._accept_failed and not accepted:
            return []
        self.report = replace(self.report, accepted=self.report.accepted + len(masks))
        nothing = np.zeros((0, self._backbone.component.space.dim), np.float32)
        return [AddedVectors((), nothing, tuple(masks), GapReason.PHOTO)]


def _dropped(backbone: str, photo: StoredPhoto, mask: StoredMask) -> Failure:
    reason = f"dropped: the mask of segment {mask.point_id} ({mask.class_name}) meets no feature cell of {backbone}"
    return Failure(photo.external_id, photo.uri, reason)
