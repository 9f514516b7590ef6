"""The figures of a tuning as one picture: along each setting, as the paper's table 4 lists them, and over each pair."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from retclip.errors import ConfigError

if TYPE_CHECKING:
    from retclip.workflows.tuning.tuning_report import TriedSetting, TuningReport

CELL, DOTS = 3.6, 120  # inches of a panel, dots per inch
PAIRS = 3  # pairs of settings that are drawn at most


def write_surface(path: Path, report: TuningReport) -> list[Path]:
    """Write PATH.png and PATH.svg; returns both.

    Above, for each setting, the highest figure at each of its values, and the figure with the others as chosen; below,
    for pairs of numbers, the highest figure at each pair of values.
    Raises ConfigError where matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("matplotlib, for the picture", str(error), "pip install 'retclip[tune]'") from error
    tried = [row for row in report.tried if row.figures[report.figure] is not None]
    names = [name for name in _names(tried) if len({_key(row.values[name]) for row in tried}) > 1]
    if not names:
        return []
    pairs = list(combinations([name for name in names if _numeric(tried, name)], 2))[:PAIRS]
    columns = max(len(names), len(pairs), 1)
    figure = Figure(figsize=(CELL * columns, CELL * (1 + bool(pairs))), dpi=DOTS, layout="constrained")
    panels = figure.subplots(1 + bool(pairs), columns, squeeze=False)
    for name, axes in zip(names, panels[0], strict=False):
        _draw_line(axes, report, tried, name)
    for (across, up), axes in zip(pairs, panels[-1] if pairs else (), strict=False):
        figure.colorbar(_draw_pair(axes, report, tried, across, up), ax=axes, shrink=0.8)
    drawn = [*panels[0][: len(names)], *(panels[1][: len(pairs)] if pairs else ())]
    for axes in panels.ravel():
        axes.set_visible(any(axes is other for other in drawn))
    figure.suptitle(f"{report.figure} of {report.images} photos, {len(tried)} settings", fontsize=10)
    paths = [path.with_suffix(".png"), path.with_suffix(".svg")]
    for each in paths:
        figure.savefig(each, format=each.suffix[1:], metadata={"Date": None} if each.suffix == ".svg" else None)
    return paths


def _draw_line(axes: Any, report: TuningReport, tried: Sequence[TriedSetting], name: str) -> None:
    values = _values(tried, name)
    numbers = _numeric(tried, name)
    places = values if numbers else list(range(len(values)))
    highest = [_highest(report, [row for row in tried if _key(row.values[name]) == _key(each)]) for each in values]
    chosen = {key: each for key, each in report.best.values.items() if key != name}
    along = [
        _highest(report, [row for row in tried if _key(row.values[name]) == _key(each) and _has(row, chosen)])
        for each in values
    ]
    many = len(values) > 30  # drawn by a search, not from a grid
    axes.plot(places, highest, "." if many else "o-", color="0.6", markersize=3, label="highest")
    if report.best.values and not many:
        axes.plot(places, along, "o-", markersize=3, label="others as chosen")
        axes.axvline(
            places[[_key(each) for each in values].index(_key(report.best.values[name]))], color="0.85", zorder=0
        )
    if not numbers:
        axes.set_xticks(places, [str(each) for each in values])
    axes.set_xlabel(name)
    axes.set_ylabel(f"{report.figure}, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _draw_pair(axes: Any, report: TuningReport, tried: Sequence[TriedSetting], across: str, up: str) -> Any:
    x, y = _values(tried, across), _values(tried, up)
    if len(x) * len(y) > 4 * len(tried):  # a search, not a grid: each trial is a dot
        points = [[row.values[name] for row in tried] for name in (across, up)]
        drawn = axes.scatter(*points, c=[row.figures[report.figure] for row in tried], s=10)
    else:
        grid = np.full((len(y), len(x)), np.nan)
        columns, rows = ({_key(each): place for place, each in enumerate(values)} for values in (x, y))
        for row in tried:
            at = rows[_key(row.values[up])], columns[_key(row.values[across])]
            grid[at] = np.fmax(grid[at], row.figures[report.figure] or 0.0)
        drawn = axes.pcolormesh(x, y, grid, shading="nearest")
    if report.best.values:
        axes.plot(report.best.values[across], report.best.values[up], "x", color="red")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return drawn


def _names(tried: Sequence[TriedSetting]) -> list[str]:
    return list(tried[0].values) if tried else []


def _values(tried: Sequence[TriedSetting], name: str) -> list[Any]:
    different = {_key(row.values[name]): row.values[name] for row in tried}
    return sorted(different.values()) if _numeric(tried, name) else list(different.values())


def _numeric(tried: Sequence[TriedSetting], name: str) -> bool:
    return all(isinstance(row.values[name], int | float) and not isinstance(row.values[name], bool) for row in tried)


def _has(row: TriedSetting, values: dict[str, Any]) -> bool:
    return all(_key(row.values[name]) == _key(each) for name, each in values.items())


def _highest(report: TuningReport, rows: Sequence[TriedSetting]) -> float:
    return max((row.figures[report.figure] or 0.0 for row in rows), default=float("nan"))


def _key(entry: Any) -> str:
    return repr(float(entry)) if isinstance(entry, int | float) and not isinstance(entry, bool) else repr(entry)
