"""The figures of an evaluation as PNG and SVG, for papers: classes, confusion, reliability, what parts cost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retclip.data.images import make_folder
from retclip.errors import ConfigError
from retclip.own_files import claim_folder, require_own_folder
from retclip.workflows.evaluation.evaluation_figures import Evaluation
from retclip.workflows.evaluation.figure_titles import COSTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIND, DOTS, KINDS = "figures", 150, ("png", "svg")
SEEN, UNSEEN, BEFORE, GAIN, LOSS = "#4b83b8", "#d98a32", "#9dbbd8", "#f0a94f", "#d0675c"
ROW, MOST_CONFUSED = 0.22, 20  # inches of a bar; pairs of classes


def require_matplotlib() -> None:
    """Check that figures can be drawn. Raises ConfigError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError("matplotlib, for figures", str(error), "pip install 'retclip[figures]'") from error


def require_figures(folder: Path) -> None:
    """Check that figures can be drawn, and may be written there: before the work, not after it. Raises ConfigError, and
    DataError for a folder that cannot be read."""
    require_matplotlib()
    require_own_folder(folder, KIND, "--figures")


def write_figures(folder: Path, evaluation: Evaluation) -> list[Path]:
    """Write each figure that the evaluation has, as PNG and as SVG; return their paths.

    Raises ConfigError where matplotlib is not installed, or the folder is not ours; DataError where it cannot be made.
    """
    require_matplotlib()
    claim_folder(folder, KIND, "--figures")
    make_folder(folder)
    drawn: dict[str, tuple[bool, int, Callable[[Axes, Evaluation], None]]] = {
        "classes": (_shown_classes(evaluation) != [], len(_shown_classes(evaluation)), _classes),
        "confusion": (bool(evaluation.confusion), min(MOST_CONFUSED, len(evaluation.confusion)), _confusion),
        "reliability": (bool(evaluation.reliability), 14, _reliability),
        "parts": (bool(evaluation.oracles), 3 * len(evaluation.oracles), _parts),
    }
    return [
        path
        for name, (present, rows, draw) in drawn.items()
        if present
        for path in _saved(folder / name, rows, draw, evaluation)
    ]


def _saved(path: Path, rows: int, draw: Callable[[Axes, Evaluation], None], evaluation: Evaluation) -> list[Path]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "retclip", "font.size": 9}):  # equal figures are equal files
        figure = Figure(figsize=(6.5, 1.1 + ROW * rows), dpi=DOTS, layout="constrained")
        axes = figure.subplots()
        draw(axes, evaluation)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        files = [path.with_suffix(f".{kind}") for kind in KINDS]
        for file in files:
            metadata: dict[str, Any] = {"Date": None} if file.suffix == ".svg" else {}
            figure.savefig(file, metadata=metadata)
    return files


def _shown_classes(evaluation: Evaluation) -> list[str]:
    """Return the classes with a PQ, or an IoU where there is no PQ, the best last."""
    key = _class_figure(evaluation)
    values = {name: row[key] for name, row in evaluation.per_class.items()}
    return sorted((name for name, value in values.items() if value is not None), key=lambda name: values[name] or 0.0)


def _class_figure(evaluation: Evaluation) -> str:
    return "iou" if evaluation.pq is None else "pq"


def _classes(axes: Axes, evaluation: Evaluation) -> None:
    key, names = _class_figure(evaluation), _shown_classes(evaluation)
    rows = [evaluation.per_class[name] for name in names]
    colours = [UNSEEN if row["seen"] is False else SEEN for row in rows]
    axes.barh(names, [row[key] or 0.0 for row in rows], color=colours, height=0.7)
    axes.set_xlim(0, 100)
    axes.margins(y=0.01)
    axes.set_xlabel(f"{'IoU' if key == 'iou' else 'PQ'}, %" + ("; orange: unseen" if evaluation.groups else ""))


def _confusion(axes: Axes, evaluation: Evaluation) -> None:
    pairs = evaluation.confusion[:MOST_CONFUSED][::-1]
    names = [f"{pair.annotated} → {pair.predicted or 'nothing'}" for pair in pairs]
    axes.barh(names, [pair.share for pair in pairs], color=LOSS, height=0.7)
    axes.margins(y=0.01)
    axes.set_xlabel("of the pixels of the first class, %")


def _reliability(axes: Axes, evaluation: Evaluation) -> None:
    bins = [part for part in evaluation.reliability if part.segments]
    scores, accuracies = [part.score or 0.0 for part in bins], [part.accuracy or 0.0 for part in bins]
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", linewidth=1)
    axes.bar(
        [part.low for part in bins], accuracies,
        [part.high - part.low for part in bins], align="edge", color=BEFORE, edgecolor="white",
    )  # fmt: skip
    axes.plot(scores, accuracies, "o", color=SEEN, markersize=4, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="score of a segment", ylabel="share that is right", aspect="equal")


def _parts(axes: Axes, evaluation: Evaluation) -> None:
    rows = [
        (f"{oracle.oracle}, {title}", gain.value, gain.points)
        for key, title in reversed(COSTS.items())
        for oracle in evaluation.oracles[::-1]
        for gain in (oracle.gains["all"][key],)
        if gain.value is not None and gain.points is not None
    ]
    for place, (name, value, points) in enumerate(rows):
        low, high = sorted((value - points, value))
        axes.barh(name, low, color=BEFORE, height=0.7)
        axes.barh(name, high - low, left=low, color=GAIN if points >= 0 else LOSS, height=0.7)
        axes.text(high + 1, place, f"{points:+.1f}", va="center", fontsize=8)
    axes.set_xlim(0, 110)
    axes.margins(y=0.01)
    axes.set_xlabel("%, with the truth in the place of a part; orange: gained")
