"""What each part of the system costs: the figures with the truth in its place, less those as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from retclip.workflows.evaluation.class_groups import class_groups
from retclip.workflows.evaluation.counters import Counters
from retclip.workflows.evaluation.image_table import COUNTED_SEGMENTS
from retclip.workflows.evaluation.paired_differences import Difference, paired_differences


@dataclass(frozen=True)
class Gain:
    """A figure with the truth in the place of a part of the system.

    value: percent; None where it is not counted.
    points: percentage points above the figure as it is: what the part costs.
    interval: of the points, over the images (paired bootstrap); None without drawings.
    """

    value: float | None
    points: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class OracleFigures:
    """The figures of an oracle.

    oracle: the parts that come from the truth, joined by +.
    gains: "all", "seen", "unseen" -> figure -> value and points.
    """

    oracle: str
    gains: Mapping[str, Mapping[str, Gain]]


def oracle_costs(
    counters: Counters, of_oracle: Mapping[str, Counters], seen: Sequence[bool] | None, count: int, seed: int
) -> tuple[OracleFigures, ...]:
    """Return what each oracle gains over the system as it is.

    counters: as it is. of_oracle: of the same images, by the oracle's name.
    seen: (c,) whether the fine-tuning saw a class; None = unknown.
    count: bootstrap drawings; seed: of them.
    """
    groups: dict[str, Collection[int] | None] = {"all": None, **class_groups(seen)}
    return tuple(
        OracleFigures(
            name,
            {
                group: {row.figure: _gain(row, counters.decided(groups[group])) for row in rows}
                for group, rows in paired_differences(counters.table, true_counters.table, groups, count, seed).items()
            },
        )
        for name, true_counters in of_oracle.items()
    )


def _gain(row: Difference, decided: bool) -> Gain:
    if row.figure in COUNTED_SEGMENTS and not decided:
        return Gain(None, None, None)
    return Gain(row.second, row.change, None if row.low is None or row.high is None else (row.low, row.high))
