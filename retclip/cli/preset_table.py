"""`retclip evaluate --compare`: presets side by side, with intervals, and whether they differ by more than noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retclip.cli import output
from retclip.cli.evaluation_tables import DIFFERENCE, difference_cells, ends_text, print_oracles
from retclip.cli.output import figure
from retclip.workflows.evaluation.figure_titles import COLUMNS

if TYPE_CHECKING:
    from retclip.preset_comparison import PresetComparison
    from retclip.workflows.evaluation.evaluation_figures import Evaluation


def print_comparison(comparison: PresetComparison) -> None:
    """Print the presets as one table, then each one's difference to the first."""
    columns = ["preset", "classes", *(cell for title in COLUMNS.values() for cell in (title, "95 %"))]
    evaluations = comparison.evaluations
    rows = [row for preset, evaluation in evaluations.items() for row in _rows(preset, evaluation)]
    output.table("presets", columns, rows)
    first = next(iter(evaluations))
    differing = [(preset, *difference_cells(row)) for preset, rows in comparison.differences.items() for row in rows]
    output.table(f"compared with {first}, over the same images", ("preset", *DIFFERENCE), differing)
    for preset, evaluation in evaluations.items():
        if evaluation.oracles:
            output.message(preset)
            print_oracles(evaluation.oracles)


def _rows(preset: str, evaluation: Evaluation) -> list[tuple[str, ...]]:
    groups = {"all": evaluation, **evaluation.groups}
    return [
        (preset, group, *(cell for key in COLUMNS for cell in _cells(evaluation, group, getattr(figures, key), key)))
        for group, figures in groups.items()
    ]


def _cells(evaluation: Evaluation, group: str, value: float | None, key: str) -> tuple[str, str]:
    return figure(value), ends_text(evaluation.intervals.get(group, {}).get(key))
