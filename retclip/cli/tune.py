"""`retclip tune`: alpha, beta, gamma, the vote and the merge, chosen on photos of their own and judged on others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retclip.cli import options, output
from retclip.cli.evaluation_options import Intervals, Seen
from retclip.cli.evaluation_tables import difference_cells
from retclip.cli.fallback import say_missing
from retclip.cli.output import figure as shown
from retclip.cli.progress import ProgressLine
from retclip.errors import ConfigError

if TYPE_CHECKING:
    from retclip.workflows.tuning.tuning_report import TriedSetting, TuningReport

STOPPED = "stopped; the scores that were cached stay. Run the same command again to go on."
SHOWN = 10  # settings in the table
TITLES = ("pq", "pq_things", "pq_stuff", "seen.pq", "unseen.pq", "miou", "seen.miou", "unseen.miou")


@dataclass(frozen=True)
class Tried:
    """What is tried, and how."""

    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="alpha=0:1:11 (from:to:how many), vote=minmax,rank; repeatable.",
        ),
    ] = None
    grid_file: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="The same as a TOML table [grid].", dir_okay=False)
    ] = None
    figure: Annotated[str, typer.Option(help="What is to be as high as can be: pq, unseen.pq, miou, ...")] = "pq"
    search: Annotated[str, typer.Option(help="grid: every combination; optuna: in ranges, alpha=0:1.")] = "grid"
    trials: Annotated[int, typer.Option(min=1, help="Settings that optuna tries.")] = 200


@options.spread
def tune(
    source: Annotated[str, typer.Argument(help="The photos to choose by: reader:path?split=NAME")],
    val: Annotated[str, typer.Option(metavar="SOURCE", help="Held-out photos, on which the choice is judged once.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Cached scores and results; goes on there.")],
    setup: options.Setup,
    tried: Tried,
    intervals: Intervals,
    seen: Seen = None,
    classifier: options.Classifiers = None,
    bits: Annotated[int, typer.Option(min=0, max=128, help="Of 128, in which hashes of one photo may differ.")] = 24,
) -> None:
    """Choose settings on SOURCE: each photo goes through the models once, then every setting is counted on its cached
    scores. The best is judged on --val, beside the settings as they are. Photos that two of SOURCE, --val and the store
    share are refused."""
    if tried.search not in ("grid", "optuna"):
        raise ConfigError("--search grid or optuna", repr(tried.search), "correct it")
    models, flags = setup.models, setup.models.flags(classifiers=classifier)
    from retclip.workflows.building.source_classes import annotated_vocabulary
    from retclip.workflows.evaluation.evaluation_figures import Bootstrap

    trials = tried.trials if tried.search == "optuna" else None
    grid: Any = tried.grid or ()
    if tried.grid_file is not None:
        if tried.grid:
            raise ConfigError("--grid or --grid-file", "both", "write all into the file")
        grid = tried.grid_file
    with options.opened(setup.store, models.config, flags, missing_ok=True, required=options.to_segment) as memory:
        photos = memory.source(source)
        say_missing(memory, memory.prepare(annotated_vocabulary(photos)), setup.store)
        with output.told_when_stopped(STOPPED), ProgressLine() as line:
            report = memory.tune(
                photos, val, out, grid, tried.figure, trials, intervals.seed, seen, bits,
                Bootstrap(intervals.drawings, intervals.seed), line,
            )  # fmt: skip
    if models.json:
        output.data(report.as_dict())
    else:
        _print(report)
    for name in ("run.json", "settings.toml", "settings.csv", "surface.png", "surface.svg"):
        if (out / name).exists():
            output.message(f"wrote {out / name}")
    output.require_usable(report.failures, "list them: --json")


def _print(report: TuningReport) -> None:
    names = list(dict.fromkeys(name for row in report.tried for name in row.values))
    keys = [key for key in TITLES if key in report.as_set.figures]
    keys = [report.figure, *(key for key in keys if key != report.figure)]
    rows = [_row(row, names, keys) for row in report.highest(SHOWN)]
    columns = ("", *names, *keys)
    title = f"{report.images} photos, {len(report.tried)} settings, the highest {report.figure}"
    output.table(title, columns, [(("as set"), *_row(report.as_set, names, keys)[1:]), *rows])
    _print_held_out(report)


def _row(setting: TriedSetting, names: list[str], keys: list[str]) -> tuple[str, ...]:
    values = ("none" if (entry := setting.values.get(name, "")) is None else str(entry) for name in names)
    return ("", *values, *(shown(setting.figures[key]) for key in keys))


def _as_options(tables: Mapping[str, Any]) -> str:
    """Return settings as a person types them; none is left out."""
    from retclip.config import dotted

    given = {key: entry for key, entry in dotted(tables).items() if entry not in (None, {})}
    return " ".join(f"--set {key}={_typed(entry)}" for key, entry in given.items())


def _typed(entry: Any) -> str:
    return str(entry).lower() if isinstance(entry, bool) else str(entry)


def _print_held_out(report: TuningReport) -> None:
    held_out = report.held_out
    rows = [(row.figure, *difference_cells(row)[1:5]) for row in held_out.change.whole]
    columns = ("", "as set", "chosen", "change", "interval")
    output.table(f"{held_out.before.images} held-out photos", columns, rows)
    if not report.best.values:
        output.message("no setting is better than those in effect")
        return
    words = " ".join(f"{name}={'none' if entry is None else entry}" for name, entry in report.best.values.items())
    output.message(f"chosen: {words}; {report.figure} {report.gain:+.1f} on the photos that it was chosen by")
    output.message("to use it: --config settings.toml of that folder, or " + _as_options(report.settings))
    if held_out.looks > 1:
        output.message(
            f"{held_out.looks} settings have been judged on these held-out photos: take others for a figure to report"
        )
