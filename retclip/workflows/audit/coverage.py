"""Classes that little stands behind: few photos, one data set, one run; that no kept answer made use of; or whose
segments look more like another class's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from retclip.quantities import quantity
from retclip.store.feature_store import FeatureStore
from retclip.store.records import ClassCoverage, SegmentFilter
from retclip.workflows.audit.class_texts import TextPlace

FEW = 5  # photos


@dataclass(frozen=True)
class ThinClass:
    """A class, and why its memory is thin.

    reasons: in words, the gravest first; never empty.
    text: the place of its name's text among all, None where it was not compared.
    """

    coverage: ClassCoverage
    reasons: tuple[str, ...]
    text: TextPlace | None = None

    def as_dict(self) -> dict[str, Any]:
        """Make plain data for JSON."""
        row, text = self.coverage, self.text
        return {
            "class": row.name, "segments": row.segments, "images": row.images, "datasets": list(row.datasets),
            "runs": list(row.runs), "text_rank": text and text.rank, "nearest_text": text and text.nearest,
            "reasons": list(self.reasons),
        }  # fmt: skip


@dataclass(frozen=True)
class ThinClasses(Sequence[ThinClass]):
    """Thin classes, those with the fewest photos first.

    notes: what was not compared, in words.
    """

    classes: tuple[ThinClass, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.classes)

    @overload
    def __getitem__(self, place: int) -> ThinClass: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[ThinClass, ...]: ...

    def __getitem__(self, place: int | slice) -> ThinClass | tuple[ThinClass, ...]:
        return self.classes[place]


def coverage(
    store: FeatureStore, chosen: SegmentFilter, limit: int, few: int = FEW, texts: Mapping[int, TextPlace] | None = None
) -> list[ThinClass]:
    """List the classes that little stands behind, those with the fewest photos first. A class that is far from its
    text is thin, too, and where answers were kept (`segment --trace`) one that voted in none of them.

    chosen: of its conditions the classes count.
    limit: at most so many.
    few: photos below which a class is told, at least 1.
    texts: the places of the classes' texts by their rows, of those that were compared.
    Raises DataError for a class that the store does not have.
    """
    store.segments.count(chosen)  # unknown names are refused
    wanted = {store.classes.id_of(name) for name in chosen.classes}
    rows = [row for row in store.segments.coverage() if not wanted or row.id in wanted]
    several_datasets = len({name for row in rows for name in row.datasets}) > 1
    several_runs = len({run for row in rows for run in row.runs}) > 1
    answers, voting = store.traces.count(), store.traces.voting_classes()
    thin = list[ThinClass]()
    for row in rows:
        text = (texts or {}).get(row.id)
        reasons = (*_reasons(row, few, several_datasets, several_runs), *_no_vote(row, answers, voting), *_far(text))
        if reasons:
            thin.append(ThinClass(row, reasons, text))
    thin.sort(key=lambda each: (each.coverage.images >= few, each.coverage.images))
    return thin[:limit]


def _far(text: TextPlace | None) -> tuple[str, ...]:
    return (text.reason(),) if text is not None and text.far else ()


def _reasons(row: ClassCoverage, few: int, several_datasets: bool, several_runs: bool) -> tuple[str, ...]:
    """Say what is thin. Of a store of one data set, or one run, that would be said of every class."""
    reasons = []
    if not row.segments:
        reasons.append("no segment")
    elif row.images < few:
        reasons.append(quantity(row.images, "photo"))
    if several_datasets and len(row.datasets) == 1:
        reasons.append(f"{row.datasets[0]} alone")
    if several_runs and len(row.runs) == 1 and not (several_datasets and len(row.datasets) == 1):
        reasons.append(f"run {row.runs[0]} alone")
    return tuple(reasons)


def _no_vote(row: ClassCoverage, answers: int, voting: set[int]) -> tuple[str, ...]:
    """Say that a class with segments voted in none of the kept answers."""
    if not answers or not row.segments or row.id in voting:
        return ()
    return (f"no vote in {quantity(answers, 'kept answer')}",)
