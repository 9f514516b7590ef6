"""A page, and figures, about an evaluation that lies in a folder: no model and no store takes part."""

from __future__ import annotations

from pathlib import Path

from retclip.documents import read_json
from retclip.report.evaluation_page import EvaluationPage
from retclip.report.figure_files import require_figures, write_figures
from retclip.report.shown_images import ShownImages
from retclip.workflows.evaluation.evaluation_figures import Bootstrap
from retclip.workflows.evaluation.merge_parts import merge_parts
from retclip.workflows.evaluation.run_folder import RUN, RunFolder

PAGE, PICTURES = "report.html", 12


def write_report(
    folder: Path, page: Path | None = None, pictures: int = PICTURES, figures: Path | None = None
) -> list[Path]:
    """Write the page, and the figures where a folder for them is named; return what was written.

    folder: of a finished evaluation.
    page: FILE.html or a folder; None = report.html in the evaluation's own.
    pictures: images evenly over the source, and of the worst, at most; more than were kept cannot be shown.
    Raises ConfigError where the folder is none of an evaluation or matplotlib is absent, DataError where it was not
    finished or the page cannot be written.
    """
    run = RunFolder.finished(folder)
    run.failures()
    if figures is not None:
        require_figures(figures)
    target = EvaluationPage(page or folder / PAGE)
    drawn = read_json(folder / RUN, "run of an evaluation")["configuration"]["bootstrap"]
    evaluation, _ = merge_parts([folder], Bootstrap(**drawn) if drawn else Bootstrap(0))
    images = ShownImages(pictures, store=None).of_folder(folder)
    written = [target.write(evaluation, run.configuration.source, images)]
    return [*written, *(write_figures(figures, evaluation) if figures is not None else ())]
