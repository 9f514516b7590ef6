"""`memory.evaluate`: whose answers are compared with a source's annotation, and what is written of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retclip.data.inputs import Classes as Names
from retclip.data.inputs import as_vocabulary
from retclip.errors import ConfigError
from retclip.namespaces import Source, opened
from retclip.progress import OnProgress

if TYPE_CHECKING:
    from retclip.plugin.checked_source import CheckedSource
    from retclip.session import Session
    from retclip.workflows.evaluation.evaluate import Evaluator
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation
    from retclip.workflows.evaluation.oracle import Oracle
    from retclip.workflows.evaluation.oracle_answers import Oracles
    from retclip.workflows.evaluation.run_folder import Part
    from retclip.workflows.evaluation.stored_predictions import StoredEvaluator


TRUE_MASKS = "reference.ground_truth"  # the proposer of the annotation's masks


@dataclass(frozen=True)
class Answers:
    """What is compared with the annotation.

    seen: the classes that the fine-tuning saw; None = the in-vocabulary classifier's.
    bootstrap: how intervals are drawn; None = 1,000 drawings of seed 0.
    predictions: a COCO panoptic JSON; None = the session's own answers.
    oracles: what is counted as well with the truth in the place of parts of the system.
    """

    seen: Names = None
    bootstrap: Bootstrap | None = None
    predictions: Path | None = None
    oracles: tuple[Oracle, ...] = ()


@dataclass(frozen=True)
class Output:
    """What is written.

    report: the page, FILE.html or a folder; None = none.
    pictures: how many images it shows.
    folder: of run.json and the counts of each image; None = none.
    part: of the images, which needs the folder; None = all.
    counted: numbers of images that another folder has.
    shown: whether pictures are kept, though this process writes no page.
    figures: a folder for figures as PNG and SVG; None = none.
    """

    report: Path | None = None
    pictures: int = 12
    folder: Path | None = None
    part: Part | None = None
    counted: frozenset[int] = frozenset()
    shown: bool = False
    figures: Path | None = None


def require_written(output: Output) -> None:
    """Check, before the work, that page, folder and figures can be written. Raises ConfigError and DataError."""
    from retclip.own_files import require_own_folder
    from retclip.report.evaluation_page import ready_page
    from retclip.report.figure_files import require_figures
    from retclip.workflows.evaluation.run_folder import KIND

    if output.report is not None:
        ready_page(output.report)
    if output.folder is not None:
        require_own_folder(output.folder, KIND)
    if output.figures is not None:
        require_figures(output.figures)


def evaluate(session: Session, source: Source, answers: Answers, output: Output, on_progress: OnProgress) -> Evaluation:
    """Compare answers with the annotation of a source; see `RetCLIP.evaluate`."""
    if answers.predictions is None:
        session.segmenter()  # what is missing is told before a source is read
    from retclip.report.evaluation_page import ready_page, write_evaluation
    from retclip.report.figure_files import write_figures
    from retclip.report.shown_images import ShownImages
    from retclip.workflows.building.source_classes import annotated_vocabulary
    from retclip.workflows.evaluation.run_folder import Part

    if output.part is not None and output.folder is None:
        raise ConfigError("a folder for the part of an evaluation", "none", "name it: --out FOLDER")
    require_written(output)
    page = None if output.report is None else ready_page(output.report)
    photos = opened(session, source)
    names = annotated_vocabulary(photos).names
    keeps = output.shown or page is not None or (output.folder is not None and answers.predictions is None)
    most = output.pictures if keeps else 0
    evaluator = _evaluator(session, photos, answers, most > 0)
    run = None if output.folder is None else evaluator.record_in(output.folder, photos.address, output.part or Part())
    evaluator.kept.counted_elsewhere = output.counted
    images = ShownImages(most, output.folder if most else None, session.without_store())
    for judged in evaluator.judged(on_progress):
        images.add(judged, names)
    evaluation = evaluator.evaluation()
    if run:
        run.write(evaluation)
    if page:
        write_evaluation(page, evaluation, photos.address, images)
    if output.figures is not None:
        write_figures(output.figures, evaluation)
    return evaluation


def require_same(session: Session, photos: CheckedSource, answers: Answers, folder: Path) -> None:
    """Check that the evaluation which was begun in a folder is this one, before processes go on with it. Raises
    ConfigError."""
    _evaluator(session, photos, answers, decoded=False).record_in(folder, photos.address)


def _oracles(session: Session, asked: tuple[Oracle, ...]) -> Oracles | None:
    """Return the oracles with the proposer of the annotation's masks. Raises PluginUnavailable where it is absent."""
    from retclip.workflows.evaluation.oracle_answers import Oracles

    return Oracles(asked, session.components.component("proposer", TRUE_MASKS)) if asked else None


def _evaluator(session: Session, photos: CheckedSource, answers: Answers, decoded: bool) -> Evaluator | StoredEvaluator:
    """Make what walks over the source. decoded: whether photos are needed where predictions lie on disk."""
    from retclip.data.readers.coco.panoptic_predictions import PanopticPredictions
    from retclip.workflows.building.source_classes import annotated_vocabulary
    from retclip.workflows.evaluation.evaluate import Bootstrap, Evaluator
    from retclip.workflows.evaluation.stored_predictions import StoredEvaluator

    seen, bootstrap = as_vocabulary(answers.seen), answers.bootstrap or Bootstrap()
    if answers.predictions is None:
        prepared = session.prepared(annotated_vocabulary(photos))
        return Evaluator(session.segmenter(), photos, seen, prepared, bootstrap, _oracles(session, answers.oracles))
    if answers.oracles:
        todo = "leave --oracle or --predictions out"
        raise ConfigError("oracles of this program's own answers", "predictions from a file", todo)
    predictions = PanopticPredictions(
        answers.predictions, photos.classes(), lambda: (record.external_id for record in photos.images())
    )
    return StoredEvaluator(photos, predictions, seen, bootstrap, decoded)
