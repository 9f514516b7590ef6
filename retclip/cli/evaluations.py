"""`retclip evaluate-merge | evaluate-diff | evaluate-report`: kept evaluations, added up, compared and shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.evaluation_options import Intervals, Page, PerClass
from retclip.cli.evaluation_tables import DIFFERENCE, difference_cells, print_evaluation
from retclip.errors import PartialFailure

if TYPE_CHECKING:
    from retclip.workflows.evaluation.evaluation_difference import EvaluationDifference

Folders = Annotated[list[Path], typer.Argument(help="Folders that `retclip evaluate --out --part` wrote.")]


@options.spread
def evaluate_merge(
    folders: Folders, intervals: Intervals, json: options.Json = False, per_class: PerClass = False
) -> None:
    """Add up the parts of an evaluation: the figures are those of one evaluation of all images, to the last bit."""
    from retclip.kept_evaluations import evaluate_merge as merged

    merge = merged(folders, intervals.bootstrap())
    evaluation, absent = merge.evaluation, merge.absent_images
    if json:
        output.data(merge.as_dict())
    else:
        print_evaluation(evaluation, per_class)
    if absent or evaluation.failures:
        got = f"{absent} images in no part and {len(evaluation.failures)} failures"
        raise PartialFailure("every image of the source to be counted", got, "name every part; list failures: --json")


@options.spread
def evaluate_diff(
    first: Annotated[Path, typer.Argument(help="A folder that `retclip evaluate --out` wrote.")],
    second: Annotated[Path, typer.Argument(help="Another one, of the same images.")],
    intervals: Intervals,
    json: options.Json = False,
) -> None:
    """Per class what the second evaluation has otherwise, and whether it is more than noise: a paired bootstrap over
    the images that both have."""
    from retclip.kept_evaluations import evaluate_diff as difference

    changes = difference(first, second, intervals.bootstrap())
    if json:
        output.data(changes.as_dict())
    else:
        _print(changes)
    if changes.only_first or changes.only_second:
        output.message(
            f"left out: {changes.only_first} images of {first} alone, {changes.only_second} of {second} alone"
        )


@options.spread
def evaluate_report(
    folder: Annotated[Path, typer.Argument(help="A folder that `retclip evaluate --out` wrote.")], page: Page
) -> None:
    """Write the page about a kept evaluation, and figures: no model and no store takes part."""
    from retclip.kept_evaluations import evaluate_report as write

    for path in write(folder, page.report, page.pictures, page.figures):
        output.message(f"wrote {path}")


def _print(changes: EvaluationDifference) -> None:
    rows = [("all", *difference_cells(row)) for row in changes.whole]
    rows += [
        (name, *difference_cells(row)) for name, of_class in changes.classes.items() for row in of_class if row.change
    ]
    output.table(f"{changes.images} images", ("class", *DIFFERENCE), rows)
    output.message(
        f"{changes.beyond_noise} figures of classes change by more than noise; of 100 without a change about 5 seem to"
    )
