"""A training run as one picture: losses, learning rate, validation PQ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retclip.errors import ConfigError

SIZE, DOTS = (9.0, 7.0), 120  # inches, per inch


def write_curve(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write a PNG. lines: of metrics.jsonl. Only the answer's own losses are drawn, not those of earlier readings, and
    the total. Raises ConfigError where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError("matplotlib, for the curve", str(error), "pip install 'retclip[finetune]'") from error
    steps = [line for line in lines if "losses" in line]
    checks = [line for line in lines if "validation" in line]
    figure = Figure(figsize=SIZE, dpi=DOTS, layout="constrained")
    above, middle, below = figure.subplots(3, 1, sharex=True, height_ratios=(3, 2, 1))
    names = [name for name in (steps[-1]["losses"] if steps else {}) if not name.rpartition("_")[2].isdigit()]
    x = [line["step"] for line in steps]
    above.plot(x, [line["total"] for line in steps], color="0.2", label="total")
    for name in names:
        above.plot(x, [line["losses"][name] for line in steps], label=name, linewidth=1)
    above.set_yscale("log")
    above.set_ylabel("loss")
    for key in ("pq", "miou"):
        middle.plot(
            [line["step"] for line in checks], [line["validation"][key] for line in checks], marker="o", label=key
        )
    middle.set_ylabel("validation, %")
    below.plot(x, [line["learning_rate"] for line in steps], color="0.4", label="learning rate")
    below.set_xlabel("step")
    for axes in (above, middle, below):
        axes.legend(loc="upper right", fontsize=8) if axes.lines else None
        axes.grid(alpha=0.3)
    figure.savefig(path, format="png")
