"""`retclip evaluate`: PQ, mAP and mIoU over an annotated source, for seen and unseen classes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.evaluation_tables import print_evaluation
from retclip.cli.fallback import FillMissing, filled, say_missing
from retclip.cli.progress import ProgressLine
from retclip.errors import PartialFailure
from retclip.passed_over import by_reason

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.plugin.checked_source import CheckedSource
    from retclip.workflows.classes.fill_report import FillReport
    from retclip.workflows.evaluation.evaluate import Evaluation

    Compare = Callable[..., Evaluation]

Seen = Annotated[
    str | None, typer.Option(help="Seen classes, a comma list or a file (default: the in-vocabulary classifier's).")
]
Predictions = Annotated[
    Path | None,
    typer.Option(metavar="FILE.json", help="COCO panoptic predictions of any tool, PNGs in the folder of its name."),
]
Oracle = Annotated[
    list[str] | None,
    typer.Option(
        "--oracle", metavar="PARTS", help="What parts cost: masks, labels, selection, several with +, or all."
    ),
]
PerClass = Annotated[bool, typer.Option("--per-class", help="The figures of every class, and what was mixed up.")]


@dataclass(frozen=True)
class Page:
    """The page about the figures."""

    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write one HTML page, or into a folder.")] = (
        None
    )
    pictures: Annotated[int, typer.Option(min=0, help="Images that the report shows.")] = 12


@dataclass(frozen=True)
class Run:
    """The folder of an evaluation."""

    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep run.json and the counts of each image; goes on there.")
    ] = None
    part: Annotated[str | None, typer.Option(metavar="3/8", help="Only this part of the images, into --out.")] = None


@dataclass(frozen=True)
class Intervals:
    """How the intervals are drawn."""

    drawings: Annotated[
        int, typer.Option("--bootstrap", min=0, metavar="N", help="Drawings behind each interval; 0 = no intervals.")
    ] = 1000
    seed: Annotated[int, typer.Option(min=0, help="Of the drawings.")] = 0


@options.spread
def evaluate(
    source: Annotated[str, typer.Argument(help="An annotated source: reader:path?split=NAME")],
    setup: options.Setup,
    page: Page,
    intervals: Intervals,
    run: Run,
    seen: Seen = None,
    per_class: PerClass = False,
    fill_missing: FillMissing = False,
    classifier: options.Classifiers = None,
    predictions: Predictions = None,
    oracle: Oracle = None,
) -> None:
    """Segment every image of SOURCE with its own classes and compare: PQ, SQ, RQ, mAP, mIoU, FWIoU and boundary IoU,
    with intervals, for all classes and for those that the fine-tuning saw and did not see apart."""
    flags, compare = setup.models.flags(classifiers=classifier), _comparison(seen, page, intervals, run, oracle or ())
    if predictions is not None:
        with options.without_store(setup.models.config, flags) as memory:
            evaluation, fill = compare(memory, source, predictions), None
        _say_unmatched(evaluation)
    else:
        evaluation, fill = _segmented(source, setup, flags, fill_missing, compare)
    if setup.models.json:
        output.data({**evaluation.as_dict(), "fill": fill.as_dict()} if fill else evaluation.as_dict())
    else:
        print_evaluation(evaluation, per_class)
    _say_written(evaluation, page, run)
    if unusable := [*(fill.failures if fill else ()), *evaluation.failures]:
        raise PartialFailure(
            "every input to be usable", f"{len(unusable)} failures, first {unusable[0]}", "list them: --json"
        )


def _comparison(seen: str | None, page: Page, intervals: Intervals, run: Run, oracles: Sequence[str]) -> Compare:
    """Return what compares answers with the annotation of a source: a memory's own, or predictions on disk.

    Raises ConfigError for what is no --part.
    """
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap
    from retclip.workflows.evaluation.run_folder import part_of_text

    bootstrap = Bootstrap(intervals.drawings, intervals.seed)
    part = None if run.part is None else part_of_text(run.part)
    stopped = STOPPED if run.out is None else output.GO_ON

    def compare(memory: RetCLIP, source: str | CheckedSource, predictions: Path | None = None) -> Evaluation:
        with output.told_when_stopped(stopped), ProgressLine() as line:
            return memory.evaluate(
                source, seen, page.report, page.pictures, line, bootstrap, predictions, run.out, part, oracles
            )

    return compare


def _segmented(
    source: str, setup: options.Setup, flags: dict[str, Any], fill_missing: bool, compare: Compare
) -> tuple[Evaluation, FillReport | None]:
    """Compare the store's own answers, filled before where that is asked for."""
    from retclip.workflows.building.source_classes import annotated_vocabulary

    config, required = setup.models.config, options.to_segment
    with options.opened(setup.store, config, flags, missing_ok=not fill_missing, required=required) as memory:
        photos = memory.source(source)
        names = annotated_vocabulary(photos)
        fill = filled(memory, names) if fill_missing else None
        if fill is None:
            say_missing(memory, memory.prepare(names), setup.store)
        return compare(memory, photos), fill


def _say_written(evaluation: Evaluation, page: Page, run: Run) -> None:
    """Say what was passed over and assumed, and which files were written."""
    if evaluation.passed_over:
        output.message(f"passed over: {by_reason(evaluation.passed_over)}")
    output.say_assumed(evaluation.assumed)
    if page.report:
        from retclip.report.evaluation_page import page_file

        output.message(f"wrote {page_file(page.report)}")
    if run.out:
        output.message(f"wrote {run.out / 'run.json'}")


def _say_unmatched(evaluation: Evaluation) -> None:
    if unmatched := evaluation.settings["unmatched_classes"]:
        shown = ", ".join(unmatched[:5])
        output.message(f"{len(unmatched)} predicted classes are none of the source's and count as void, e.g. {shown}")


STOPPED = "stopped; nothing was written"
