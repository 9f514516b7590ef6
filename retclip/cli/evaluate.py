"""`retclip evaluate`: PQ, mAP and mIoU over an annotated source, for seen and unseen classes apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from retclip.cli import options, output
from retclip.cli.evaluation_options import Beside, Comparison, PerClass, Predictions
from retclip.cli.evaluation_tables import print_evaluation
from retclip.cli.fallback import FillMissing, filled, say_missing
from retclip.cli.label_matches import said_matches
from retclip.cli.preset_table import print_comparison
from retclip.passed_over import by_reason

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.plugin.checked_source import CheckedSource
    from retclip.preset_comparison import PresetComparison
    from retclip.workflows.classes.fill_report import FillReport
    from retclip.workflows.evaluation.evaluate import Evaluation

Answer = TypeVar("Answer")
LISTED = "list them: --json"


@options.spread
def evaluate(
    source: Annotated[str, typer.Argument(help="An annotated source: reader:path?split=NAME")],
    setup: options.Setup,
    comparison: Comparison,
    per_class: PerClass = False,
    fill_missing: FillMissing = False,
    classifier: options.Classifiers = None,
    predictions: Predictions = None,
    compare: Beside = None,
) -> None:
    """Segment every image of SOURCE with its own classes and compare: PQ, SQ, RQ, mAP, mIoU, FWIoU and boundary IoU,
    with intervals, for all classes and for those that the fine-tuning saw and did not see apart."""
    flags, further = setup.models.flags(classifiers=classifier), options.separated(compare, "--compare")
    if further:
        _side_by_side(source, setup, flags, fill_missing, comparison, further)
        return
    if predictions is not None:
        with options.without_store(setup.models.config, flags) as memory:
            evaluation, fill = comparison.figures(memory, source, predictions), None
        _say_unmatched(evaluation)
    else:
        ready, figures = comparison.require_written, comparison.figures
        evaluation, fill = _segmented(source, setup, flags, fill_missing, ready, figures)
    if setup.models.json:
        output.data({**evaluation.as_dict(), "fill": fill.as_dict()} if fill else evaluation.as_dict())
    else:
        print_evaluation(evaluation, per_class)
    _say_written(evaluation, comparison)
    output.require_usable([*(fill.failures if fill else ()), *evaluation.failures], LISTED)


def _side_by_side(
    source: str, setup: options.Setup, flags: dict[str, Any], fill_missing: bool, comparison: Comparison,
    further: list[str],
) -> None:  # fmt: skip
    """Evaluate the chosen preset and further ones, and print them in one table."""

    def of_presets(memory: RetCLIP, photos: CheckedSource) -> PresetComparison:
        return comparison.of_presets(memory, photos, [memory.settings.preset, *further])

    def ready(memory: RetCLIP) -> None:
        comparison.require_written(memory, further)

    answer, fill = _segmented(source, setup, flags, fill_missing, ready, of_presets)
    if setup.models.json:
        output.data({**answer.as_dict(), "fill": fill.as_dict()} if fill else answer.as_dict())
    else:
        print_comparison(answer)
    _say_page(comparison, ", and a page for each preset beside it")
    if comparison.run.out:
        output.message(f"wrote a folder for each preset into {comparison.run.out}")
    unusable = [failure for evaluation in answer.evaluations.values() for failure in evaluation.failures]
    output.require_usable([*(fill.failures if fill else ()), *unusable], LISTED)


def _segmented(
    source: str, setup: options.Setup, flags: dict[str, Any], fill_missing: bool, ready: Callable[[RetCLIP], None],
    compare: Callable[[RetCLIP, CheckedSource], Answer],
) -> tuple[Answer, FillReport | None]:  # fmt: skip
    """Compare the store's own answers, filled before where that is asked for. ready: raises where what is said of them
    could not be written, before the store is filled."""
    from retclip.workflows.building.source_classes import annotated_vocabulary

    config, required = setup.models.config, options.to_segment
    with options.opened(setup.store, config, flags, missing_ok=not fill_missing, required=required) as memory:
        ready(memory)
        photos = memory.source(source)
        names = annotated_vocabulary(photos)
        fill = filled(memory, names) if fill_missing else None
        if fill is None:
            say_missing(memory, memory.prepare(names), setup.store)
        said_matches(memory, memory.prepare(names))
        return compare(memory, photos), fill


def _say_written(evaluation: Evaluation, comparison: Comparison) -> None:
    """Say what was passed over and assumed, and which files were written."""
    if evaluation.passed_over:
        output.message(f"passed over: {by_reason(evaluation.passed_over)}")
    output.say_assumed(evaluation.assumed)
    _say_page(comparison)
    if comparison.page.figures:
        output.message(f"wrote figures into {comparison.page.figures}")
    if comparison.run.out:
        output.message(f"wrote {comparison.run.out / 'run.json'}")


def _say_page(comparison: Comparison, more: str = "") -> None:
    if comparison.page.report:
        from retclip.report.evaluation_page import page_file

        output.message(f"wrote {page_file(comparison.page.report)}{more}")


def _say_unmatched(evaluation: Evaluation) -> None:
    if unmatched := evaluation.settings["unmatched_classes"]:
        shown = ", ".join(unmatched[:5])
        output.message(f"{len(unmatched)} predicted classes are none of the source's and count as void, e.g. {shown}")
