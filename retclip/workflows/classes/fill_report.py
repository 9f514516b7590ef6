"""What a fill tells of each name: there, matched, filled or missing, and how near the nearest came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from retclip.names import LabelMatch, MatchKind, name_key
from retclip.store.records import ClassMatch, Decisions, Failure
from retclip.workflows.building.build_loop import BuildReport

THERE, MATCHED, FILLED, MISSING = "there", "matched", "filled", "missing"


@dataclass(frozen=True)
class Near:
    """The nearest class of a name.

    similarity: cosine of the texts; None where only the spelling could be compared.
    """

    name: str
    similarity: float | None

    def __str__(self) -> str:
        return repr(self.name) if self.similarity is None else f"{self.name!r} {self.similarity:.3f}"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a fill for one name.

    state: there (the store has it), matched (with another class of the store), filled (from the fallback data set, now
    or earlier) or missing.
    matched: the class that it is matched with.
    dataset: the data set of that class; "" = the store.
    how: the rule of the match.
    similarity: cosine of the texts; None where no texts were compared.
    images, segments: fetched now.
    event: of the fill, for `retclip undo`; None while it has not ended.
    in_store, in_fallback: the nearest classes of a missing name.
    reason: why the fill has not ended, or the name is missing.
    """

    name: str
    state: str
    matched: str | None = None
    dataset: str = ""
    how: str = ""
    similarity: float | None = None
    images: int = 0
    segments: int = 0
    event: int | None = None
    in_store: Near | None = None
    in_fallback: Near | None = None
    reason: str = ""


@dataclass(frozen=True)
class FillReport:
    """Every name in the user's order.

    threshold: the cosine above which two texts are one class; None where the backbone reads no text and names alone
    were compared.
    failures: photos that could not be used.
    """

    outcomes: tuple[Outcome, ...]
    threshold: float | None
    failures: tuple[Failure, ...] = ()

    def of(self, state: str) -> tuple[Outcome, ...]:
        """Return the outcomes of one state."""
        return tuple(outcome for outcome in self.outcomes if outcome.state == state)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def outcome(match: LabelMatch, decisions: Decisions, compared: bool, fetched: Mapping[str, BuildReport]) -> Outcome:
    """Return the outcome for a name.

    match: with the store, after the fill.
    compared: whether texts were compared.
    fetched: the reports of this fill, by the name's key.
    """
    key = name_key(match.name)
    newest = decisions.newest.get(key)
    if match.how is MatchKind.MISSING:
        near = Near(match.nearest, match.similarity if compared else None) if match.nearest else None
        return _missing(match.name, newest, decisions.rejected.get(key, ()), near, fetched.get(key))
    now = fetched.get(key, BuildReport())
    if match.how is MatchKind.FALLBACK and newest is not None:
        return Outcome(
            match.name, FILLED, newest.matched, newest.dataset, str(newest.how), newest.similarity, now.images,
            now.segments, newest.event, reason="" if newest.event is not None else not_over(now),
        )  # fmt: skip
    state = THERE if match.how is MatchKind.EXACT else MATCHED
    cosine = match.similarity if match.how is MatchKind.TEXT else None
    return Outcome(match.name, state, match.store_class, how=str(match.how), similarity=cosine)


def not_over(now: BuildReport) -> str:
    """Return why a fill that stored something has not ended."""
    held = f"{now.elsewhere} of its photos are" if now.elsewhere else "it is"
    return f"{held} being worked on by another process; run it again"


def _missing(
    name: str, newest: ClassMatch | None, rejected: Sequence[ClassMatch], near: Near | None, now: BuildReport | None
) -> Outcome:
    reasons = [
        f"{match.matched!r} of {match.dataset or 'the store'} was rejected by {match.decided_by}" for match in rejected
    ]
    in_fallback = None
    if newest is not None and newest.how is MatchKind.MISSING:
        in_fallback = Near(newest.matched, newest.similarity) if newest.dataset and newest.matched else None
    elif newest is not None and newest.is_fill:
        place = f"{newest.matched!r} of {newest.dataset}"
        ended = f"the fill from {place} (event {newest.event}) has no segments"
        begun = f"no photo of {place} could be used; the next fill tries again"
        if now is not None and now.elsewhere:
            begun = f"filled from {place}: {not_over(now)}"
        reasons.append(begun if newest.event is None else ended)
    return Outcome(name, MISSING, in_store=near, in_fallback=in_fallback, reason="; ".join(reasons))


def summary_line(report: FillReport) -> str:
    """Return one line: the number of names in each state, and of filled ones those of an earlier fill."""
    counts = [f"{len(report.of(state))} {state}" for state in (THERE, MATCHED, FILLED, MISSING)]
    earlier = sum(outcome.event is not None and not outcome.images for outcome in report.of(FILLED))
    if earlier:
        counts[2] += f" ({earlier} of them before)"
    return ", ".join(counts)
