"""`retclip class add`: one class from images, alone or behind a regression gate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retclip.cli import class_sources, options, output
from retclip.cli.build import finish, run_with_progress
from retclip.cli.catalog import person
from retclip.cli.class_kind import kind_of
from retclip.cli.progress import ProgressLine
from retclip.errors import ConfigError, DataError
from retclip.names import name_key
from retclip.passed_over import by_reason, passed_over_by

if TYPE_CHECKING:
    from retclip.engine import RetCLIP
    from retclip.plugin.contracts import ImageSource
    from retclip.workflows.building.build_loop import BuildReport
    from retclip.workflows.classes.regression_figures import RegressionReport

Check = Annotated[
    str | None, typer.Option(metavar="PROBE", help="Segment this source or photos before and after; show what changed.")
]
MaxRegression = Annotated[
    float | None,
    typer.Option(min=0, max=100, metavar="X", help="With --check: take all back where a class loses more points."),
]
Thing = Annotated[bool | None, typer.Option("--thing/--stuff", help="Countable, or not (default: nobody says).")]


def add(
    name: Annotated[str, typer.Argument(help="The class, as you will ask for it.")],
    sources: Annotated[
        list[str],
        typer.Argument(help="Annotated sources (reader:path?split=NAME) or photos; - reads a list from stdin."),
    ],
    store: options.Store = options.DEFAULT_STORE,
    thing: Thing = None,
    crops: class_sources.Crops = False,
    boxes: class_sources.Boxes = None,
    points: class_sources.Points = None,
    masks: class_sources.Masks = None,
    check: Check = None,
    max_regression: MaxRegression = None,
    retry_failed: options.RetryFailed = False,
    backbone: options.Backbone = None,
    proposer: options.Proposer = None,
    preset: options.Preset = None,
    settings: options.Set = None,
    config: options.Config = None,
    json: options.Json = False,
) -> None:
    """Add one class from images: no training, and the next `segment` knows it. Touches no other class.

    Plain photos need a proposer that finds masks by name; or --crops, where they show nothing else; or --boxes,
    --points or --masks, which say where it is, in pixels of the upright photo.
    With --check, a probe is segmented before and after; with --max-regression, the class stays only where no other one
    gets worse by more: in IoU where the probe is annotated, else in the share of its pixels.
    """
    if max_regression is not None and check is None:
        raise ConfigError("--check PROBE beside --max-regression", "none", "name the images to compare on")
    marks = class_sources.Marks(crops, boxes, points, masks)
    flags = options.flags(settings, preset, backbone, proposer, building=True, retry_failed=retry_failed)
    given = class_sources.given(sources, marks, name, store, config, flags)
    listed, sources = sources, list(given.addresses)
    if given.proposer and not proposer:
        flags = options.flags(settings, preset, backbone, given.proposer, building=True, retry_failed=retry_failed)
    with options.opened(store, config, flags, required=options.to_build) as retclip:
        opened = _opened(retclip, sources, check)
        if thing is None:
            thing = kind_of(retclip, name, opened, class_sources.STDIN in listed)
        if given.proposer:
            output.message(f"masks by {retclip.settings.build.proposer}")
        if check is not None:
            _checked(retclip, name, sources, thing, check, max_regression, store, json)
        else:
            _plain(retclip, name, sources, thing, store, json)


def _opened(retclip: RetCLIP, sources: Sequence[str], check: str | None) -> list[ImageSource]:
    """The sources, looked through before the first is worked on. Raises DataError where one has no photo, or photos
    that do not say where the class is."""
    from retclip.workflows.building.source_classes import require_annotation
    from retclip.workflows.classes.add_class import UNMARKED

    proposer = retclip.manager.find("proposer", retclip.settings.build.proposer)
    opened = {one: retclip.source(one) for one in (*sources, *([check] if check is not None else ()))}
    for one, source in opened.items():
        if not len(source):
            beside = by_reason(passed_over_by(source).counts)
            got = f"none in {one}" + (f"; passed over: {beside}" if beside else "")
            raise DataError("at least one photo", got, "name photos, folders, globs or sources")
        if one in sources:
            require_annotation(source, one, proposer.full_name, proposer.component.provides, UNMARKED)
    return [opened[one] for one in sources]


def _plain(retclip: RetCLIP, name: str, sources: list[str], thing: bool | None, store: Path, json: bool) -> None:
    started = time.monotonic()
    reports = run_with_progress(lambda line: retclip.add_class(name, sources, thing, line))
    _say(retclip, name, reports, started)
    finish(reports, store, json)


def _checked(
    retclip: RetCLIP, name: str, sources: list[str], thing: bool | None, check: str, limit: float | None, store: Path,
    json: bool,
) -> None:  # fmt: skip
    started = time.monotonic()
    what = "what was added stays" if limit is None else "what was added went back"
    told = f"stopped; {what}: see `retclip class history --store {store}`"
    with output.told_when_stopped(told), ProgressLine() as line:
        done = retclip.add_class_checked(name, sources, check, limit, thing, person(), line)
    if json:
        output.data(done.as_dict())
    elif done.check is not None:
        _print(done.check)
    if done.check is not None and not done.kept:
        raise done.check.error(done.undone)
    _say(retclip, name, list(done.runs), started)
    if done.events:
        back = ", then ".join(f"retclip undo {one} --store {store}" for one in reversed(done.events))
        output.message(f"to go back: {back}")
    finish(list(done.runs), store, False)


def _say(retclip: RetCLIP, name: str, reports: list[BuildReport], started: float) -> None:
    total = next((one.segments for one in retclip.classes() if name_key(one.name) == name_key(name)), None)
    held = f"; the store now holds {total}" if total is not None else ""
    output.message(
        f"{name}: {sum(one.segments for one in reports)} segments{held} ({time.monotonic() - started:.1f} s)"
    )


def _print(found: RegressionReport) -> None:
    columns = ("class", "pixels before", "after", f"to {found.new.name}", "to others", "to none", "came", "% lost")
    figures = ("IoU before", "after", "PQ before", "after") if found.annotated else ()
    rows = []
    for one in (found.new, *found.classes):
        if one.before or one.after or one.iou.before is not None:
            counts = (one.before, one.after, one.to_new, one.to_others, one.to_none, one.came)
            shares = (one.iou.before, one.iou.after, one.pq.before, one.pq.after) if found.annotated else ()
            rows.append((one.name, *counts, *(output.figure(value) for value in (one.lost, *shares))))
    output.table(f"{found.images} images before and after", (*columns, *figures), rows)
    output.message(f"{found.flipped:.2f} % of the probe's pixels changed their class")
    if found.failures:
        output.message(f"{len(found.failures)} images of the probe could not be used, first {found.failures[0]}")
