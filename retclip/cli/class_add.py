"""`retclip class add`: one class from images, alone or behind a regression gate."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import options, output
from retclip.cli.build import finish
from retclip.cli.class_kind import kind_of, tell_other_kind
from retclip.cli.class_sources import STDIN, MarkOptions, with_stdin
from retclip.cli.progress import ProgressLine
from retclip.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retclip.engine import RetCLIP
    from retclip.workflows.building.build_loop import BuildReport
    from retclip.workflows.classes.addition import Addition, AdditionReport
    from retclip.workflows.classes.regression_figures import RegressionReport

Thing = Annotated[bool | None, typer.Option("--thing/--stuff", help="Countable, or not (default: nobody says).")]


@dataclass(frozen=True)
class Check:
    """The regression gate."""

    check: Annotated[
        str | None,
        typer.Option(metavar="PROBE", help="Segment this source or photos before and after; show what changed."),
    ] = None
    max_regression: Annotated[
        float | None,
        typer.Option(min=0, max=100, metavar="X", help="With --check: take all back where a class loses more points."),
    ] = None


@options.spread
def add(
    name: Annotated[str, typer.Argument(help="The class, as you will ask for it.")],
    sources: Annotated[
        list[str],
        typer.Argument(help="Annotated sources (reader:path?split=NAME) or photos; - reads a list from stdin."),
    ],
    setup: options.Setup,
    marked: MarkOptions,
    gate: Check,
    thing: Thing = None,
    retry_failed: options.RetryFailed = False,
    negative: Annotated[
        bool, typer.Option("--not", help="What they show is NOT the class: it counts against it, never for it.")
    ] = False,
) -> None:
    """Add one class from images: no training, and the next `segment` knows it. Touches no other class.

    Plain photos need a proposer that finds masks by name; or --crops, where they show nothing else; or --boxes,
    --points or --masks, which say where it is, in pixels of the upright photo.
    With --check, a probe is segmented before and after; with --max-regression, the class stays only where no other one
    gets worse by more: in IoU where the probe is annotated, else in the share of its pixels.
    """
    if negative and thing is not None:
        raise ConfigError("--thing or --stuff of a class that is added", "beside --not", "leave one out")
    from retclip.namespaces import require_probe
    from retclip.workflows.classes.marks import Marks

    require_probe(gate.check, gate.max_regression)

    listed = with_stdin(sources)
    marks = Marks(**vars(marked)) if any(vars(marked).values()) else None
    if marks:
        marks.check(listed)  # flags that exclude each other are told before anything is opened
    flags = setup.models.flags(True, retry_failed=retry_failed or None)
    with options.opened(setup.store, setup.models.config, flags, required=options.to_build) as memory:
        if negative:
            addition = memory.classes.plan_negatives(name, listed, marks)
        else:
            addition = memory.classes.plan(name, listed, thing, marks)
            tell_other_kind(memory, addition)
        if thing is None and not negative:
            addition = replace(addition, is_thing=kind_of(memory, addition, STDIN in sources))
        if marks:
            output.message(f"masks by {addition.proposer}")
        started, stays = time.monotonic(), gate.max_regression is None
        outcome = "what was added stays" if stays else "what was added went back"
        stopped = (
            f"stopped; {outcome}: see `retclip class history --store {setup.store}`" if gate.check else output.GO_ON
        )
        with output.told_when_stopped(stopped), ProgressLine() as line:
            done = memory.classes.carry_out(addition, gate.check, gate.max_regression, line)
        _tell(memory, addition, done, started, setup)


def _tell(memory: RetCLIP, addition: Addition, done: AdditionReport, started: float, setup: options.Setup) -> None:
    """Print the report. Raises Regression where the class went back, and what `finish` raises."""
    store, json, runs = setup.store, setup.models.json, list(done.runs)
    if done.check is None:
        _say(memory, addition, runs, started)
        return finish(runs, store, json)
    if json:
        output.data(done.as_dict())
    else:
        _print(done.check)
    if not done.kept:
        raise done.check.error(done.undone)
    _say(memory, addition, runs, started)
    if done.events:
        back = ", then ".join(f"retclip undo {event} --store {store}" for event in reversed(done.events))
        output.message(f"to go back: {back}")
    finish(runs, store, False)


def _say(memory: RetCLIP, addition: Addition, reports: Sequence[BuildReport], started: float) -> None:
    total = next((store_class.segments for store_class in memory.classes if addition.is_called(store_class.name)), None)
    stored = f"; the store now holds {total}" if total is not None else ""
    added = sum(report.segments for report in reports)
    if addition.against:
        total = next(row.negatives for row in memory.classes if addition.is_called(row.name, *row.aliases))
        output.message(f"{addition.name}: {added} negative examples; the store now holds {total}")
        return
    output.message(f"{addition.name}: {added} segments{stored} ({time.monotonic() - started:.1f} s)")


def _print(report: RegressionReport) -> None:
    columns = ("class", "pixels before", "after", f"to {report.new.name}", "to others", "to none", "came", "% lost")
    figures = ("IoU before", "after", "PQ before", "after") if report.annotated else ()
    rows = []
    for change in (report.new, *report.classes):
        if change.before or change.after or change.iou.before is not None:
            counts = (change.before, change.after, change.to_new, change.to_others, change.to_none, change.came)
            shares = (
                (change.iou.before, change.iou.after, change.pq.before, change.pq.after) if report.annotated else ()
            )
            rows.append((change.name, *counts, *(output.figure(value) for value in (change.lost, *shares))))
    output.table(f"{report.images} images before and after", (*columns, *figures), rows)
    output.message(f"{report.flipped:.2f} % of the probe's pixels changed their class")
    if report.failures:
        output.message(f"{len(report.failures)} images of the probe could not be used, first {report.failures[0]}")
