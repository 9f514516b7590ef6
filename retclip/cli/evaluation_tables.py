"""An evaluation as tables: figures, intervals, classes, what parts of the system cost, and the bias to seen classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retclip.cli import output
from retclip.cli.output import figure
from retclip.workflows.evaluation.figure_titles import COLUMNS, COSTS, TITLES

if TYPE_CHECKING:
    from retclip.workflows.evaluation.bias import SeenBias
    from retclip.workflows.evaluation.evaluation_figures import Evaluation
    from retclip.workflows.evaluation.oracle_costs import Gain, OracleFigures
    from retclip.workflows.evaluation.paired_differences import Difference

DIFFERENCE = ("figure", "first", "second", "change", "95 % of the drawings", "more than noise")


def print_evaluation(evaluation: Evaluation, per_class: bool) -> None:
    """Print the figures as tables, and what stands beside them on stderr."""
    all_classes = ("all", len(evaluation.per_class), *(figure(getattr(evaluation, key)) for key in COLUMNS))
    groups = [
        (name, group.classes, *(figure(getattr(group, key)) for key in COLUMNS))
        for name, group in evaluation.groups.items()
    ]
    output.table(f"{evaluation.images} images", ("", "classes", *COLUMNS.values()), [all_classes, *groups])
    _print_intervals(evaluation)
    if per_class:
        _print_classes(evaluation)
    if evaluation.oracles:
        print_oracles(evaluation.oracles)
    if evaluation.bias:
        _print_bias(evaluation.bias)
    output.message(
        f"PQ things {figure(evaluation.pq_things)}, stuff {figure(evaluation.pq_stuff)}  "
        f"AP50 {figure(evaluation.map50)}  AP75 {figure(evaluation.map75)}  "
        f"pixel accuracy {figure(evaluation.pixel_accuracy)}  segment accuracy {figure(evaluation.segment_accuracy)}  "
        f"calibration error {figure(evaluation.calibration_error)}"
    )
    if evaluation.no_pq:
        output.message(f"PQ and AP are not counted: {evaluation.no_pq}")
    elif evaluation.no_map:
        output.message(f"AP is not counted: {evaluation.no_map}")
    else:
        sizes = (figure(size) for size in (evaluation.map_small, evaluation.map_medium, evaluation.map_large))
        output.message("AP of small things {}, of medium ones {}, of large ones {}".format(*sizes))
    if not evaluation.groups and "predictions" not in evaluation.settings:
        output.message("no in-vocabulary classifier took part: --seen says which classes count as seen")


def _print_intervals(evaluation: Evaluation) -> None:
    bootstrap = evaluation.bootstrap
    if bootstrap is None:
        return
    shown = [key for key in COLUMNS if key != "map"]
    rows = [(name, *(ends_text(of_group[key]) for key in shown)) for name, of_group in evaluation.intervals.items()]
    title = f"{100 * bootstrap.level:g} % intervals over images, {bootstrap.drawings} drawings of seed {bootstrap.seed}"
    output.table(title, (f"{100 * bootstrap.level:g} %", *(COLUMNS[key] for key in shown)), rows)


def _print_classes(evaluation: Evaluation) -> None:
    columns = ("class", "seen", "PQ", "SQ", "RQ", "AP", "IoU", "boundary IoU", "TP", "FP", "FN")
    keys = ("pq", "sq", "rq", "ap", "iou", "boundary_iou", "tp", "fp", "fn")
    rows = [
        (name, _said(row["seen"]), *(figure(row[key]) for key in keys)) for name, row in evaluation.per_class.items()
    ]
    output.table("classes", columns, rows)
    mixed = [(pair.annotated, pair.predicted or "-", pair.pixels, figure(pair.share)) for pair in evaluation.confusion]
    output.table("what is taken for what", ("annotated", "taken for", "pixels", "% of the class"), mixed)


def _said(seen: float | int | None) -> str:
    return "-" if seen is None else "seen" if seen else "unseen"


def _print_bias(bias: SeenBias) -> None:
    directions = (
        ("unseen called a seen class", bias.unseen_as_seen, bias.unseen_as_seen_interval, bias.unseen),
        ("seen called an unseen class", bias.seen_as_unseen, bias.seen_as_unseen_interval, bias.seen),
    )
    rows = [(name, figure(share), ends_text(ends), segments) for name, share, ends, segments in directions]
    output.table("bias towards seen classes", ("segments", "%", "95 %", "annotated"), rows)


def print_oracles(oracles: tuple[OracleFigures, ...]) -> None:
    """Print what parts of the system cost."""
    rows = [
        (oracle.oracle, group, *(text for key in COSTS for text in _cells(gains[key])))
        for oracle in oracles
        for group, gains in oracle.gains.items()
    ]
    columns = ["from the truth", "classes", *(text for title in COSTS.values() for text in (title, "points", "95 %"))]
    output.table("what parts of the system cost, in points of the figure as it is", columns, rows)


def _cells(gain: Gain) -> tuple[str, str, str]:
    return figure(gain.value), *_change_cells(gain.points, *(gain.interval or (None, None)))


def _change_cells(change: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    ends = "-" if low is None or high is None else f"{low:+.1f}..{high:+.1f}"
    return "-" if change is None else f"{change:+.1f}", ends


def ends_text(ends: tuple[float, float] | None) -> str:
    """Return an interval for a cell: - for None."""
    return "-" if ends is None else f"{ends[0]:.1f}..{ends[1]:.1f}"


def difference_cells(row: Difference) -> tuple[str, ...]:
    """Return the cells of DIFFERENCE."""
    change, noise = _change_cells(row.change, row.low, row.high), "yes" if row.beyond_noise else "no"
    return TITLES[row.figure], figure(row.first), figure(row.second), *change, noise
