"""What is tried: names, values and ranges of settings, as a person writes them.

    alpha=0:1:11            eleven values from 0 to 1
    vote=minmax,rank        these two
    max_distance=none,0.6
    alpha=0:1               a range, for Optuna alone

or a TOML file with a table `grid`: alpha = "0:1:11", vote = ["minmax", "rank"]. Short names stand for settings of
retclip.toml; every other one that cached scores can answer has its full name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from retclip.config import dotted, parsed, read_file
from retclip.errors import ConfigError

VOTE = "plugin.retrieval.vote"
SHORT = {
    "alpha": "ensemble.alpha", "beta": "ensemble.beta", "gamma": "ensemble.gamma", "form": "ensemble.form",
    "void": "ensemble.void", "void_correction": "ensemble.void_correction", "unknown": "ensemble.unknown",
    "renormalise": "ensemble.renormalise", "k": "retrieval.k",
    "vote": f"{VOTE}.vote", "aggregate": f"{VOTE}.aggregate", "temperature": f"{VOTE}.temperature",
    "max_distance": f"{VOTE}.max_distance", "certainty_distance": f"{VOTE}.certainty_distance",
    "certainty_width": f"{VOTE}.certainty_width", "pseudo_neighbours": f"{VOTE}.pseudo_neighbours",
    "agreement": f"{VOTE}.agreement", "scale": "plugin.zero_shot.clip_text.scale",
    "object_mask_threshold": "segment.object_mask_threshold", "overlap_threshold": "segment.overlap_threshold",
    "mask_threshold": "segment.mask_threshold",
}  # fmt: skip
NAMES = {full: short for short, full in SHORT.items()}
SETTINGS = {  # of retclip.toml that scores are decided by after the models; `plugin.` stands for classifiers' own
    "ensemble": ("alpha", "beta", "gamma", "form", "void", "void_correction", "unknown", "renormalise"),
    "retrieval": ("k",),
    "segment": (
        "object_mask_threshold", "overlap_threshold", "mask_threshold", "smallest_void", "mask_cost", "doubt_power",
        "own_scores",
    ),
}  # fmt: skip
PAPER = ("alpha=0:1:11", "beta=0:1:11", "gamma=0:1:11")  # what table 4 varies
MOST = 200_000  # settings of a grid
Values = tuple[tuple[str, Any], ...]  # full name -> value


@dataclass(frozen=True)
class Axis:
    """A setting that is tried.

    name: in full; values: in their order, or the two ends of a range.
    """

    name: str
    values: tuple[Any, ...]
    is_range: bool = False


def axes_of(texts: Sequence[str], file: Path | None = None) -> tuple[Axis, ...]:
    """Return the axes that a person wrote, those of the file first.

    texts: `NAME=VALUES` each; file: a TOML file with a table `grid`. Neither: alpha, beta and gamma as `PAPER`.
    Raises ConfigError.
    """
    axes = [_axis(name, written) for name, written in (_table(file) if file is not None else {}).items()]
    for text in texts or (() if axes else PAPER):
        name, equals, written = text.partition("=")
        if not equals:
            raise ConfigError("NAME=VALUES, e.g. alpha=0:1:11 or vote=minmax,rank", repr(text), "correct --grid")
        axes.append(_axis(name.strip(), written.strip()))
    return _once(axes)


def axes_of_table(table: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Return the axes of a mapping of names to values, a list or `FROM:TO:COUNT` each. Raises ConfigError."""
    return _once([_axis(name, list(each) if isinstance(each, tuple) else each) for name, each in table.items()])


def _once(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    names = [axis.name for axis in axes]
    if repeated := sorted({NAMES.get(name, name) for name in names if names.count(name) > 1}):
        raise ConfigError("each setting once in a grid", f"{', '.join(repeated)} twice", "join their values")
    return tuple(axes)


def grid(axes: Sequence[Axis]) -> Iterator[Values]:
    """Yield every combination, the last axis fastest. Raises ConfigError for a range, and for too many."""
    for axis in axes:
        if axis.is_range:
            short, (low, high) = NAMES.get(axis.name, axis.name), axis.values
            todo = f"say how many values: {short}={low:g}:{high:g}:11; or search the range: --search optuna"
            raise ConfigError("values to try one by one", f"the range {short}={low:g}:{high:g}", todo)
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST:
        raise ConfigError(f"at most {MOST:,} settings", f"{count:,}", "take fewer values, or --search optuna")
    names = [axis.name for axis in axes]
    return (tuple(zip(names, values, strict=True)) for values in product(*(axis.values for axis in axes)))


def _axis(name: str, written: Any) -> Axis:
    full = _full(name)
    if isinstance(written, str) and ":" in written:
        return _spread(name, full, written)
    parts = written.split(",") if isinstance(written, str) else written if isinstance(written, list) else [written]
    values = tuple(_value(part) for part in parts)
    if not values or "" in values:
        raise ConfigError(f"values of {name}", repr(written), f"write e.g. {name}=0:1:11 or {name}=0.1,0.4")
    return Axis(full, tuple(dict.fromkeys(values)))


def _spread(name: str, full: str, written: str) -> Axis:
    """Return evenly spaced values, or a range. written: FROM:TO or FROM:TO:COUNT."""
    try:
        numbers = [float(part) for part in written.split(":")]
        low, high = numbers[:2]
        count = int(numbers[2]) if len(numbers) > 2 else 0
        if len(numbers) > 3 or not math.isfinite(low + high) or low > high or count != (numbers[2:] or [0])[0]:
            raise ValueError
    except (ValueError, OverflowError) as error:
        todo = f"write e.g. {name}=0:1:11, eleven values from 0 to 1"
        raise ConfigError("FROM:TO:COUNT, FROM at most TO", repr(written), todo) from error
    if len(numbers) == 2:
        return Axis(full, (low, high), is_range=True)
    if count < 1:
        raise ConfigError(f"at least one value of {name}", repr(written), f"write e.g. {name}={low:g}:{high:g}:11")
    steps = [low + (high - low) * n / (count - 1) for n in range(count)] if count > 1 else [low]
    values = tuple(round(step, 12) for step in steps)  # 0.3, not 0.30000000000000004
    if full == "retrieval.k":
        return Axis(full, tuple(dict.fromkeys(round(step) for step in values)))
    return Axis(full, tuple(dict.fromkeys(values)))


def _full(name: str) -> str:
    """Return the full name of a setting. Raises ConfigError for one that cached scores cannot answer."""
    full = SHORT.get(name, name)
    section, _, key = full.partition(".")
    if key in SETTINGS.get(section, ()) or (section == "plugin" and full.count(".") == 3):
        return full
    others = ", ".join(f"segment.{key}" for key in SETTINGS["segment"][3:])
    todo = f"choose among {', '.join(SHORT)}, {others}, and plugin.NAME.CLASSIFIER.SETTING"
    raise ConfigError("a setting that scores are decided by, after the models", repr(name), todo)


def _value(part: Any) -> Any:
    if not isinstance(part, str):
        return part
    text = part.strip()
    return None if text.lower() == "none" else parsed(text)


def _table(file: Path) -> Mapping[str, Any]:
    table = read_file(file).get("grid")
    if not isinstance(table, dict) or not table:
        raise ConfigError(f"a table [grid] in {file}", "none", 'write e.g. [grid] and alpha = "0:1:11" below it')
    return {name: entry for name, entry in dotted(table).items() if entry != {}}
