"""What is done with kept evaluations, the folders that `evaluate` wrote: no model and no store takes part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.errors import ConfigError

if TYPE_CHECKING:
    from retclip.workflows.evaluation.evaluation_difference import EvaluationDifference
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap, Evaluation

PAGE, PICTURES = "report.html", 12  # where no page is named; images that it shows


@dataclass(frozen=True)
class MergedEvaluation:
    """Parts of an evaluation, added up.

    evaluation: the figures over all parts.
    absent_images: how many images of the source are in no part.
    """

    evaluation: Evaluation
    absent_images: int

    def __repr__(self) -> str:
        absent = f", {self.absent_images} images in no part" if self.absent_images else ""
        return f"<{type(self).__name__}: {self.evaluation!r}{absent}>"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**self.evaluation.as_dict(), "absent_images": self.absent_images}


def evaluate_merge(folders: Sequence[str | PathLike[str]], bootstrap: Bootstrap | None = None) -> MergedEvaluation:
    """Add up the parts of an evaluation: the figures are those of one evaluation of all images, to the last bit.

    folders: that `evaluate` wrote with `out` and `part`.
    bootstrap: how intervals are drawn; None = 1,000 drawings of seed 0.
    Raises ConfigError for no folder, or one that is no evaluation; DataError where parts are of different evaluations,
    two have the same image, or one is not finished.
    """
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap
    from retclip.workflows.evaluation.merge_parts import merge_parts

    parts = [folders] if isinstance(folders, str | PathLike) else folders
    if not parts:
        raise ConfigError("folders of an evaluation", "none", "name those that `evaluate` wrote with out and part")
    return MergedEvaluation(*merge_parts([Path(folder) for folder in parts], bootstrap or Bootstrap()))


def evaluate_diff(
    first: str | PathLike[str], second: str | PathLike[str], bootstrap: Bootstrap | None = None
) -> EvaluationDifference:
    """Say what the second evaluation has otherwise, per class, and whether it is more than noise: a paired bootstrap
    over the images that both have.

    first, second: folders that `evaluate` wrote with `out`.
    bootstrap: how intervals are drawn; None = 1,000 drawings of seed 0.
    Raises ConfigError for a folder that is no evaluation, DataError for other classes or no image in common.
    """
    from retclip.workflows.evaluation.evaluation_difference import evaluation_difference
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap
    from retclip.workflows.evaluation.run_folder import RunFolder

    runs = [RunFolder.finished(Path(folder)) for folder in (first, second)]
    return evaluation_difference(runs[0], runs[1], bootstrap or Bootstrap())


def evaluate_report(
    folder: str | PathLike[str],
    report: str | PathLike[str] | None = None,
    pictures: int = PICTURES,
    figures: str | PathLike[str] | None = None,
) -> list[Path]:
    """Write the page about a kept evaluation, and figures; return the files.

    folder: that `evaluate` wrote with `out`.
    report: FILE.html or a folder; None = report.html in the evaluation's own.
    pictures: images evenly over the source, and of the worst, at most; more than were kept cannot be shown.
    figures: a folder for figures as PNG and SVG, which need the extra `figures`; None = none.
    Raises ConfigError for a folder that is no evaluation, and where another page stands there or matplotlib is absent;
    DataError where the evaluation was not finished or the page cannot be written.
    """
    from retclip.documents import read_json
    from retclip.report.evaluation_page import ready_page, write_evaluation
    from retclip.report.figure_files import require_figures, write_figures
    from retclip.report.shown_images import ShownImages
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap
    from retclip.workflows.evaluation.merge_parts import merge_parts
    from retclip.workflows.evaluation.run_folder import RUN, RunFolder

    kept, of_figures = Path(folder), None if figures is None else Path(figures)
    run = RunFolder.finished(kept)
    run.failures()
    if of_figures is not None:
        require_figures(of_figures)
    page = ready_page(kept / PAGE if report is None else Path(report))
    drawn = read_json(kept / RUN, "run of an evaluation")["configuration"]["bootstrap"]
    evaluation, _ = merge_parts([kept], Bootstrap(**drawn) if drawn else Bootstrap(0))
    images = ShownImages(pictures, store=None).of_folder(kept)
    written = [write_evaluation(page, evaluation, run.configuration.source, images)]
    return [*written, *(write_figures(of_figures, evaluation) if of_figures is not None else ())]
