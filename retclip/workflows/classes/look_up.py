"""Looking names up for a fill: in the store, then in the fallback data set, by the same rule; a row per decision.

A name is looked up again only where its decision was rejected, the rule or the data set is another one, or somebody
says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from retclip._version import __version__
from retclip.names import LabelMatch, MatchKind, name_key
from retclip.plugin.contracts import Backbone, ImageSource
from retclip.store.records import ClassMatch, Decisions
from retclip.types import Vocabulary
from retclip.workflows.building.source_classes import annotated_classes
from retclip.workflows.classes.fill_report import Near
from retclip.workflows.segment.parts import Loaded, Parts, PreparedVocabulary
from retclip.workflows.segment.vocabulary import compares_text, matches_with

BY_RULE = f"retclip {__version__}"  # who decides where nobody was asked


@dataclass(frozen=True)
class Filling:
    """What a fill works with. parts: of a build. reader: the backbone that compares names. opened: the source behind an
    address."""

    parts: Parts
    reader: Loaded[Backbone]
    opened: Callable[[str], ImageSource]

    @property
    def naming(self) -> Parts:
        """The parts that compare names: those of a build may have a backbone without text."""
        return replace(self.parts, backbone=self.reader, second_backbone=None)


def look_up(filling: Filling, found: PreparedVocabulary, again: bool) -> None:
    """Write a row for each match with another class of the store, and for each name that it lacks.

    found: the names as they match with the store. again: look up also what was found missing, or has lost its segments.
    Raises DataError for a fallback data set without classes.
    """
    decisions = filling.parts.store.matches.decisions()
    blank = _blank(filling, found)
    new = [_as_row(one, blank) for one in found.matches if one.how in (MatchKind.SYNONYM, MatchKind.TEXT)]
    asked = [
        index
        for index, one in enumerate(found.matches)
        if one.how is MatchKind.MISSING and _is_open(decisions.newest.get(name_key(one.name)), blank, again)
    ]
    if asked:
        new += _elsewhere(filling, found, asked, decisions, blank)
    filling.parts.store.matches.record(new)


def _blank(filling: Filling, found: PreparedVocabulary) -> ClassMatch:
    """What every row of this fill has in common: where and by which rule it was looked up."""
    settings, compared = filling.parts.settings, compares_text(filling.naming, found.vocabulary)
    encoder = filling.reader.component.space.id if compared else ""
    threshold, source = filling.naming.matching_threshold, settings.fallback.source
    return ClassMatch("", "", MatchKind.MISSING, threshold, source=source, encoder=encoder, decided_by=BY_RULE)


def _is_open(said: ClassMatch | None, blank: ClassMatch, again: bool) -> bool:
    """Whether a name that the store lacks is to be looked up: not where a fill is under way or has ended, and not where
    the same rule found nothing in the same place."""
    if said is None:
        return True
    if said.is_fill:
        return again and said.event is not None
    same = (said.source, said.threshold, said.encoder) == (blank.source, blank.threshold, blank.encoder)
    return again or said.how is not MatchKind.MISSING or not same


def _elsewhere(
    filling: Filling, found: PreparedVocabulary, asked: Sequence[int], decisions: Decisions, blank: ClassMatch
) -> list[ClassMatch]:
    """The rows of names that the store lacks. Without a fallback data set they are missing."""
    lacking = [found.matches[index] for index in asked]
    hints = [_hint(one, bool(blank.encoder)) for one in lacking]
    if not blank.source:
        return [replace(_as_row(one, blank), reason=hint) for one, hint in zip(lacking, hints, strict=True)]
    source = filling.opened(blank.source)
    classes = {one.name: one.synonyms for one in annotated_classes(source)}
    rejected = {
        key: {name for name in classes if name_key(name) in decisions.barred_names(key, source.name)}
        for key in decisions.rejected
    }
    matches = matches_with(filling.naming, _part(found.vocabulary, asked), classes, rejected)
    there = replace(blank, dataset=source.name)
    return [
        replace(_as_row(one, there), reason=hint if one.how is MatchKind.MISSING else "")
        for one, hint in zip(matches, hints, strict=True)
    ]


def _as_row(match: LabelMatch, blank: ClassMatch) -> ClassMatch:
    """A match by rule as a decision; one with the store has no address."""
    by_text = match.how is MatchKind.TEXT or (match.how is MatchKind.MISSING and bool(blank.encoder and match.nearest))
    decided = replace(
        blank, query=match.name, matched=match.store_class or match.nearest or "", how=match.how,
        similarity=match.similarity if by_text else None,
    )  # fmt: skip
    if match.how is MatchKind.MISSING:
        return decided
    return replace(decided, encoder=blank.encoder if by_text else "", source=blank.source if blank.dataset else "")


def _hint(match: LabelMatch, compared: bool) -> str:
    near = Near(match.nearest, match.similarity if compared else None) if match.nearest else "nothing"
    return f"nearest in the store: {near}"


def _part(vocabulary: Vocabulary, asked: Sequence[int]) -> Vocabulary:
    """Some of the classes, with their text."""
    rows = [row for row, index in enumerate(vocabulary.row_class.tolist()) if index in asked]
    return Vocabulary(
        tuple(vocabulary.names[index] for index in asked),
        tuple(vocabulary.is_thing[index] for index in asked),
        tuple(vocabulary.synonyms[index] for index in asked) if vocabulary.synonyms else (),
        None if vocabulary.text is None else vocabulary.text[rows],
    )
