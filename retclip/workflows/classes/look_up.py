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
    """The tools of a fill.

    parts: of a build.
    reader: the backbone that compares names.
    opened: returns the source behind an address.
    """

    parts: Parts
    reader: Loaded[Backbone]
    opened: Callable[[str], ImageSource]

    @property
    def naming(self) -> Parts:
        """Return the parts that compare names: a build's parts may have a backbone without text."""
        return replace(self.parts, backbone=self.reader, second_backbone=None)


def look_up(filling: Filling, prepared: PreparedVocabulary, again: bool) -> None:
    """Write a row for each match with another class of the store, and for each name that the store lacks.

    prepared: the names as they match with the store.
    again: look up also names that were missing, or have lost their segments.

    Raises DataError for a fallback data set without classes.
    """
    decisions = filling.parts.store.matches.decisions()
    blank = _blank(filling, prepared)
    new = [_as_row(match, blank) for match in prepared.matches if match.how in (MatchKind.SYNONYM, MatchKind.TEXT)]
    open_indices = [
        index
        for index, match in enumerate(prepared.matches)
        if match.how is MatchKind.MISSING and _is_open(decisions.newest.get(name_key(match.name)), blank, again)
    ]
    if open_indices:
        new += _elsewhere(filling, prepared, open_indices, decisions, blank)
    filling.parts.store.matches.record(new)


def _blank(filling: Filling, prepared: PreparedVocabulary) -> ClassMatch:
    """Return the common part of every row of this fill: place and rule."""
    settings, compared = filling.parts.settings, compares_text(filling.naming, prepared.vocabulary)
    encoder = filling.reader.component.space.id if compared else ""
    threshold, source = filling.naming.matching_threshold, settings.fallback.source
    return ClassMatch("", "", MatchKind.MISSING, threshold, source=source, encoder=encoder, decided_by=BY_RULE)


def _is_open(newest: ClassMatch | None, blank: ClassMatch, again: bool) -> bool:
    """Return whether a missing name is to be looked up: no fill of it is under way or has ended, and the same rule has
    not found nothing in the same place.
    """
    if newest is None:
        return True
    if newest.is_fill:
        return again and newest.event is not None
    same = (newest.source, newest.threshold, newest.encoder) == (blank.source, blank.threshold, blank.encoder)
    return again or newest.how is not MatchKind.MISSING or not same


def _elsewhere(
    filling: Filling, prepared: PreparedVocabulary, indices: Sequence[int], decisions: Decisions, blank: ClassMatch
) -> list[ClassMatch]:
    """Return the rows of the names that the store lacks. Without a fallback data set they are missing."""
    lacking = [prepared.matches[index] for index in indices]
    hints = [_hint(match, bool(blank.encoder)) for match in lacking]
    if not blank.source:
        return [replace(_as_row(match, blank), reason=hint) for match, hint in zip(lacking, hints, strict=True)]
    source = filling.opened(blank.source)
    classes = {source_class.name: source_class.synonyms for source_class in annotated_classes(source)}
    rejected = {
        key: {name for name in classes if name_key(name) in decisions.barred_names(key, source.name)}
        for key in decisions.rejected
    }
    matches = matches_with(filling.naming, _part(prepared.vocabulary, indices), classes, rejected)
    fallback_blank = replace(blank, dataset=source.name)
    return [
        replace(_as_row(match, fallback_blank), reason=hint if match.how is MatchKind.MISSING else "")
        for match, hint in zip(matches, hints, strict=True)
    ]


def _as_row(match: LabelMatch, blank: ClassMatch) -> ClassMatch:
    """Return a match by rule as a decision; a match with the store has no address."""
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


def _part(vocabulary: Vocabulary, indices: Sequence[int]) -> Vocabulary:
    """Return some of the classes, with their text."""
    rows = [row for row, index in enumerate(vocabulary.row_class.tolist()) if index in indices]
    return Vocabulary(
        tuple(vocabulary.names[index] for index in indices),
        tuple(vocabulary.is_thing[index] for index in indices),
        tuple(vocabulary.synonyms[index] for index in indices) if vocabulary.synonyms else (),
        None if vocabulary.text is None else vocabulary.text[rows],
    )
