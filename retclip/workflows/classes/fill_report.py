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
    """What came nearest to a name. similarity: cosine of the texts, None where only the spelling could be compared."""

    name: str
    similarity: float | None

    def __str__(self) -> str:
        return repr(self.name) if self.similarity is None else f"{self.name!r} {self.similarity:.3f}"


@dataclass(frozen=True)
class Outcome:
    """Of one name. state: there (the store has it), matched (with another class of the store), filled (from the
    fallback data set, now or earlier) or missing. matched, dataset, how, similarity: with what, where ("" = the store),
    by which rule. images, segments: fetched now. event: of the fill, for `retclip undo`; None while it has not
    ended. reason: why it has not, or why the name is missing."""

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
    """Every name in the user's order. threshold: above which texts are the same; None where the backbone reads none, so
    that names alone were compared. failures: photos that could not be used."""

    outcomes: tuple[Outcome, ...]
    threshold: float | None
    failures: tuple[Failure, ...] = ()

    def of(self, state: str) -> tuple[Outcome, ...]:
        """Those of one state."""
        return tuple(one for one in self.outcomes if one.state == state)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def outcome(match: LabelMatch, decisions: Decisions, compared: bool, fetched: Mapping[str, BuildReport]) -> Outcome:
    """What is told of a name. match: with the store, after the fill. compared: whether texts were. fetched: by the
    name's key, what came now."""
    key = name_key(match.name)
    said = decisions.newest.get(key)
    if match.how is MatchKind.MISSING:
        near = Near(match.nearest, match.similarity if compared else None) if match.nearest else None
        return _missing(match.name, said, decisions.rejected.get(key, ()), near, fetched.get(key))
    now = fetched.get(key, BuildReport())
    if match.how is MatchKind.FALLBACK and said is not None:
        return Outcome(
            match.name, FILLED, said.matched, said.dataset, str(said.how), said.similarity, now.images, now.segments,
            said.event, reason="" if said.event is not None else not_over(now),
        )  # fmt: skip
    state = THERE if match.how is MatchKind.EXACT else MATCHED
    cosine = match.similarity if match.how is MatchKind.TEXT else None
    return Outcome(match.name, state, match.store_class, how=str(match.how), similarity=cosine)


def not_over(now: BuildReport) -> str:
    """Why a fill that stored something has not ended."""
    held = f"{now.elsewhere} of its photos are" if now.elsewhere else "it is"
    return f"{held} being worked on by another process; run it again"


def _missing(
    name: str, said: ClassMatch | None, rejected: Sequence[ClassMatch], near: Near | None, now: BuildReport | None
) -> Outcome:
    reasons = [f"{one.matched!r} of {one.dataset or 'the store'} was rejected by {one.decided_by}" for one in rejected]
    there = None
    if said is not None and said.how is MatchKind.MISSING:
        there = Near(said.matched, said.similarity) if said.dataset and said.matched else None
    elif said is not None and said.is_fill:
        place = f"{said.matched!r} of {said.dataset}"
        ended = f"the fill from {place} (event {said.event}) has no segments"
        begun = f"no photo of {place} could be used; the next fill tries again"
        if now is not None and now.elsewhere:
            begun = f"filled from {place}: {not_over(now)}"
        reasons.append(begun if said.event is None else ended)
    return Outcome(name, MISSING, in_store=near, in_fallback=there, reason="; ".join(reasons))


def summary_line(report: FillReport) -> str:
    """One line: how many of each, and how many of the filled ones came with an earlier fill."""
    told = [f"{len(report.of(state))} {state}" for state in (THERE, MATCHED, FILLED, MISSING)]
    earlier = sum(one.event is not None and not one.images for one in report.of(FILLED))
    if earlier:
        told[2] += f" ({earlier} of them before)"
    return ", ".join(told)
