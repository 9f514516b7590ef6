"""Evaluates predictions that lie on disk, of any tool: COCO panoptic JSON and PNGs against an annotated source.

No model and no store takes part, and photos are not decoded where the source reads its annotation without them. All
figures are counted on the panoptic map, which is all that such files hold, so that mIoU differs from that of a semantic
map; AP is not counted. A photo without a prediction is a failure, and counts nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from retclip._version import __version__
from retclip.algorithms.panoptic_matching import Labelled
from retclip.data.readers.coco.panoptic_predictions import PanopticPredictions
from retclip.errors import DataError
from retclip.passed_over import PassedOver, Tally, passed_over_by
from retclip.plugin.contracts import ImageSource, SourceImage
from retclip.progress import OnProgress, Progress, silent
from retclip.store.records import Failure
from retclip.types import Image, PanopticSegmentation, Vocabulary
from retclip.workflows.building.source_classes import annotated_vocabulary
from retclip.workflows.evaluation.counters import Counters, Prediction
from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation, summary
from retclip.workflows.evaluation.image_counts import ImageCounts
from retclip.workflows.evaluation.instances import Annotated
from retclip.workflows.evaluation.judged import Judged
from retclip.workflows.evaluation.kept_counts import KeptCounts
from retclip.workflows.evaluation.run_folder import Configuration, Part, RunFolder
from retclip.workflows.evaluation.seen_classes import listed_as_seen

NO_INSTANCES = "predictions on disk are panoptic maps, without instances of their own"


class StoredEvaluator:
    """Walk over an annotated source with `judged`, then ask for the `evaluation`.

    predictions: read with the source's classes.
    seen: the classes that count as seen in the figures; None = no groups.
    bootstrap: how intervals are drawn.
    photos: whether photos are decoded, for pictures.
    Raises DataError where the source has no classes, or `seen` names none of them.
    """

    def __init__(
        self, source: ImageSource, predictions: PanopticPredictions, seen: Vocabulary | None = None,
        bootstrap: Bootstrap = Bootstrap(), photos: bool = False,
    ) -> None:  # fmt: skip
        annotated = annotated_vocabulary(source)
        self.source, self.predictions, self.bootstrap, self.photos = source, predictions, bootstrap, photos
        self.names = annotated.names
        self._groups = None if seen is None else listed_as_seen(annotated, seen)
        self._counters, self._failures = Counters(annotated.names, annotated.is_thing), list[Failure]()
        self._tally = Tally(passed_over_by(source))
        self._annotated, self.kept = annotated, KeptCounts(self._counters)

    def record_in(self, folder: Path, address: str, part: Part = Part()) -> RunFolder:
        """Write the counts of each image to a folder, and go on where they stop. address: of the source.

        Raises ConfigError for the folder of another evaluation.
        """
        names, kinds = self._annotated.names, self._annotated.is_thing
        configuration = Configuration(address, len(self.source), names, kinds, self._groups, (), self._settings())
        run = RunFolder.started(folder, configuration, part)
        self.kept = KeptCounts(self._counters, run)
        return run

    def judged(self, on_progress: OnProgress = silent) -> Iterator[Judged]:
        """Count every image; yield those whose photo was decoded."""
        for done, record in enumerate(self.kept.records(self.source), 1):
            try:
                counts, judged = self._counted(self.kept.next_number(), record)
            except DataError as error:
                self._failures.append(Failure(record.external_id, record.uri, str(error)))
            else:
                self.kept.add(counts)
                if judged is not None:
                    yield judged
            on_progress(Progress("evaluate", done, len(self.source), len(self._failures)))

    def evaluation(self) -> Evaluation:
        """Return the figures of the evaluated images. Raises DataError where there is none."""
        if not self.kept.total(self._tally).images:
            got = f"{len(self._failures)} that failed, first {self._failures[0]}" if self._failures else "none"
            todo = "name the predictions of this data set and split with --predictions"
            raise DataError(f"at least one image of {self.source.name} with a prediction", got, todo)
        self._tally.add(self.predictions.passed_over(self.kept.names))
        told, settings = self._tally.total, self._settings()
        return summary(self._counters, self._groups, (), self._failures, settings, self.bootstrap, told)

    def _counted(self, number: int, record: SourceImage) -> tuple[ImageCounts, Judged | None]:
        image = record.load() if self.photos or record.load_truth is None else None
        truth, left_out = _truth(record, image)
        stored = self.predictions.read(record.external_id)
        prediction = Prediction(stored.labelled, None, None, stored.scored)
        annotated = Annotated([], uncounted=NO_INSTANCES)
        counts = self._counters.counted(prediction, truth, annotated, number, record.external_id)
        tally = Tally(left_out, stored.passed_over)
        judged = None
        if image is not None:
            predicted = _panoptic(stored.labelled)
            accuracy, quality = counts.accuracy, counts.panoptic_quality
            judged = Judged(number, len(self.source), record.external_id, image, predicted, accuracy, quality)
        return replace(counts, passed_over=tally.total), judged

    def _settings(self) -> dict[str, Any]:
        seen = None if self._groups is None else {"said_by": "the user", "classes": sum(self._groups)}
        predictions = {"file": str(self.predictions.file), "sha256": self.predictions.digest}
        unmatched = list(self.predictions.unmatched)
        return {"retclip": __version__, "predictions": predictions, "unmatched_classes": unmatched, "seen": seen,
                "map": "panoptic map"}  # fmt: skip


def _truth(record: SourceImage, image: Image | None) -> tuple[PanopticSegmentation, PassedOver]:
    if image is None:
        alone = record.load_truth() if record.load_truth is not None else None
        if alone is not None:
            return alone.truth, alone.passed_over
        image = record.load()
    if image.truth is None:
        raise DataError(f"an annotation for {image.uri}", "none", "evaluate on an annotated source")
    return image.truth, image.passed_over


def _panoptic(result: Labelled) -> PanopticSegmentation:
    label_map = result.runs.replaced({segment.id: segment.id for segment in result.segments})
    return PanopticSegmentation(label_map.astype("int32"), tuple(result.segments))
