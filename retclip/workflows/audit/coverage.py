"""Classes that little stands behind: few photos, one data set, one run; or that no kept answer made use of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retclip.store.feature_store import FeatureStore
from retclip.store.records import ClassCoverage, SegmentFilter

FEW = 5  # photos


@dataclass(frozen=True)
class ThinClass:
    """A class, and why its memory is thin.

    reasons: in words, the gravest first; never empty.
    """

    coverage: ClassCoverage
    reasons: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        row = self.coverage
        return {"class": row.name, "segments": row.segments, "images": row.images, "datasets": list(row.datasets),
                "runs": list(row.runs), "reasons": list(self.reasons)}  # fmt: skip


def coverage(store: FeatureStore, chosen: SegmentFilter, limit: int, few: int = FEW) -> list[ThinClass]:
    """List the classes that little stands behind, those with the fewest photos first. Where answers were kept
    (`segment --trace`), a class that voted in none of them is thin, too.

    chosen: of its conditions the classes count.
    limit: at most so many.
    few: photos below which a class is told, at least 1.
    Raises DataError for a class that the store does not have.
    """
    store.segments.count(chosen)  # unknown names are refused
    wanted = {store.classes.id_of(name) for name in chosen.classes}
    rows = [row for row in store.segments.coverage() if not wanted or row.id in wanted]
    several_datasets = len({name for row in rows for name in row.datasets}) > 1
    several_runs = len({run for row in rows for run in row.runs}) > 1
    answers, voting = store.traces.count(), store.traces.voting_classes()
    thin = [
        ThinClass(row, (*_reasons(row, few, several_datasets, several_runs), *_no_vote(row, answers, voting)))
        for row in rows
    ]
    thin = [one for one in thin if one.reasons]
    return sorted(thin, key=lambda one: (one.coverage.images >= few, one.coverage.images))[:limit]


def _reasons(row: ClassCoverage, few: int, several_datasets: bool, several_runs: bool) -> tuple[str, ...]:
    """Say what is thin. Of a store of one data set, or one run, that would be said of every class."""
    reasons = []
    if not row.segments:
        reasons.append("no segment")
    elif row.images < few:
        reasons.append(f"{row.images} {'photo' if row.images == 1 else 'photos'}")
    if several_datasets and len(row.datasets) == 1:
        reasons.append(f"{row.datasets[0]} alone")
    if several_runs and len(row.runs) == 1 and not (several_datasets and len(row.datasets) == 1):
        reasons.append(f"run {row.runs[0]} alone")
    return tuple(reasons)


def _no_vote(row: ClassCoverage, answers: int, voting: set[int]) -> tuple[str, ...]:
    """Say that a class with segments voted in none of the kept answers."""
    if not answers or not row.segments or row.id in voting:
        return ()
    return (f"no vote in {answers} kept {'answer' if answers == 1 else 'answers'}",)
