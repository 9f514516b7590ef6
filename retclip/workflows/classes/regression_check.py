"""The regression gate's two walks: a probe segmented before and after a class is added, with the same classes.

Both walks ask for the store's old classes and the new one, each thing or stuff as it will be, and match names exactly:
what differs between them is the memory alone. Class maps of the first walk lie compressed in a folder, one file an
image, so that memory stays flat however long the probe is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retclip.algorithms.mean_iou import ConfusionMatrix
from retclip.errors import DataError
from retclip.plugin.contracts import ImageSource, SourceClass
from retclip.progress import OnProgress, Progress, silent
from retclip.store.records import Failure
from retclip.types import Image, PanopticSegmentation, Vocabulary
from retclip.workflows.classes.addition import Addition
from retclip.workflows.classes.probe_source import is_annotated, meanings, probe_source
from retclip.workflows.classes.regression_figures import Comparison, RegressionReport, class_map, regression_report
from retclip.workflows.evaluation.evaluate import Evaluation, Evaluator
from retclip.workflows.segment.decode_ahead import decoded
from retclip.workflows.segment.in_groups import in_groups
from retclip.workflows.segment.parts import Segmenter, require_store
from retclip.workflows.segment.segment_image import provenance, segment_images
from retclip.workflows.segment.vocabulary import prepare


class RegressionCheck:
    """Two walks over a probe, `before` an addition and `after` it.

    folder: empty, for the maps of the first walk; the caller removes it.

    Raises DataError for a probe that cannot be read.
    """

    def __init__(self, parts: Segmenter, probe: ImageSource, addition: Addition, folder: Path) -> None:
        store = require_store(parts)
        stored = [stored_class for stored_class in store.classes.all() if stored_class.segments]
        number = store.classes.id_of(addition.name)  # it may be a name of a class that is there
        self.old = tuple(stored_class.name for stored_class in stored)
        self.new = next((stored_class.name for stored_class in stored if stored_class.id == number), addition.name)
        kinds = {self.new: addition.kind} | {stored_class.name: stored_class.is_thing for stored_class in stored}
        self.names = (*self.old, *(() if self.new in self.old else (self.new,)))
        stated = tuple(SourceClass(name, kinds[name]) for name in self.names)  # PQ is counted where somebody says it
        section = parts.settings.matching.model_copy(update={"threshold": 1.0})
        exact = parts.settings.model_copy(update={"matching": section})
        self.parts = replace(parts, settings=exact)
        self.annotated = is_annotated(probe)
        self.known = tuple(
            replace(source_class, is_thing=source_class.is_thing is not False) for source_class in stated
        )
        self.shown = set[str]()
        self.probe = probe_source(probe, stated, meanings(probe.classes(), stored, self.new), self.shown)
        self.folder, self.pairs = folder, ConfusionMatrix(len(self.names))
        self._first: Evaluation | None = None
        self._failed: tuple[Failure, ...] = ()
        self._images = 0

    def before(self, limit: float | None, on_progress: OnProgress = silent) -> None:
        """Walk before the addition. Raises DataError where a limit has nothing to hold: no old class is annotated."""
        self._first, self._failed = self._walk("probe before", self._keep, on_progress)
        old_others = set(self.old) - {self.new}
        if limit is not None and self.annotated and old_others and not old_others & self.shown:
            some, todo = ", ".join(sorted(old_others)[:5]), "probe with other images, or with plain photos"
            raise DataError(f"a probe whose annotation shows an old class, e.g. {some}", "none of them", todo)

    def after(self, limit: float | None, on_progress: OnProgress = silent) -> RegressionReport:
        """Walk after the addition, and report the changes.

        Raises DataError where an image was usable in one walk only.
        """
        second, failed = self._walk("probe after", self._compare, on_progress)
        if [failure.external_id for failure in failed] != [failure.external_id for failure in self._failed]:
            reasons = {failure.external_id: failure.reason for failure in (*self._failed, *failed)}
            got = f"{len(self._failed)} unusable before, {len(failed)} after: {'; '.join(list(reasons.values())[:2])}"
            raise DataError("the same images of the probe before and after", got, "repair them and add it again")
        walks = (self._first, second) if self._first is not None and second is not None else None
        compared = Comparison(self.names, self.new, self.pairs.counts, walks, self.shown)
        return regression_report(compared, self._images, limit, failed, provenance(self.parts))

    def _walk(
        self, task: str, on_map: Callable[[int, NDArray[np.int64]], None], on_progress: OnProgress
    ) -> tuple[Evaluation | None, tuple[Failure, ...]]:
        def tell(progress: Progress) -> None:
            on_progress(replace(progress, task=task))

        if not self.annotated:
            return None, self._segment(on_map, tell)
        evaluator = Evaluator(self.parts, self.probe)
        for judged in evaluator.judged(tell):
            on_map(judged.number, class_map(judged.predicted))
        evaluation = evaluator.evaluation()
        return evaluation, evaluation.failures

    def _segment(
        self, on_map: Callable[[int, NDArray[np.int64]], None], on_progress: OnProgress
    ) -> tuple[Failure, ...]:
        kinds = tuple(source_class.is_thing for source_class in self.known)
        prepared, failures = prepare(self.parts, Vocabulary(self.names, kinds)), list[Failure]()

        def work(images: Sequence[Image]) -> list[PanopticSegmentation]:
            return [segmentation for segmentation, _ in segment_images(self.parts, images, prepared)]

        records = decoded(self.probe.images())
        for number, (record, answer) in enumerate(in_groups(records, self.parts.settings.device.batch_size, work)):
            if isinstance(answer, DataError):
                failures.append(Failure(record.external_id, record.uri, str(answer)))
            else:
                on_map(number, class_map(answer))
            on_progress(Progress("segment", number + 1, len(self.probe), len(failures)))
        if len(failures) == len(self.probe):
            raise DataError("at least one usable image to probe with", f"none, first {failures[0]}", "repair the files")
        return tuple(failures)

    def _keep(self, number: int, classes: NDArray[np.int64]) -> None:
        small = np.min_scalar_type(len(self.names))  # -1 is kept as the number after the last class
        compact = np.where(classes < 0, len(self.names), classes).astype(small)
        np.savez_compressed(self.folder / f"{number}.npz", classes=compact)

    def _compare(self, number: int, classes: NDArray[np.int64]) -> None:
        file = self.folder / f"{number}.npz"
        if not file.exists():  # it failed before: `after` tells
            return
        with np.load(file) as saved:
            earlier = saved["classes"].astype(np.int64)
        if earlier.shape != classes.shape:
            got = f"image {number} of {earlier.shape} before, {classes.shape} after"
            raise DataError("the same images of the probe before and after", got, "add the class again")
        self.pairs.add(classes, np.where(earlier == len(self.names), -1, earlier))
        self._images += 1
