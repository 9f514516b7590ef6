"""Prepares the names that a user gives: text vectors of the backbone, and matches with the store's classes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from retclip.algorithms.label_matching import match_labels
from retclip.errors import ConfigError, NamesTooLong
from retclip.names import LabelMatch, MatchKind, distinct, name_key
from retclip.plugin.contracts import NEIGHBOURS
from retclip.plugin.pairing import Capable, check_pairing
from retclip.store.records import ClassMatch, Decisions, StoreClass
from retclip.store.states import Decision
from retclip.types import REST, Vocabulary
from retclip.workflows.segment.describe_image import text_of
from retclip.workflows.segment.parts import Models, PreparedVocabulary, Segmenter, require_store

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)


def prepare(parts: Segmenter, vocabulary: Vocabulary | None) -> PreparedVocabulary:
    """Match the names with the store's classes and encode them.

    vocabulary: None = every class of the store that has segments.
    Raises ConfigError where a classifier needs something that this backbone or store does not have, SpaceMismatch where
    it would vote with vectors of another feature space, whose distances are meaningless, and SpaceIncomplete where
    segments lack their vector in it.
    """
    if vocabulary is not None:
        distinct(vocabulary.names, "the vocabulary")
    stored = parts.store.classes.all() if parts.store else []
    vocabulary = vocabulary or _everything(stored)
    _check_needs(parts)
    vocabulary = replace(vocabulary, text=text_of(parts.backbone, vocabulary.terms))
    matches = _matches(parts, vocabulary, stored)
    rows = {row.name: row for row in stored}
    matched_rows = [rows[match.store_class] if match.store_class is not None else None for match in matches]
    kinds = tuple(map(_is_thing, vocabulary.is_thing, matched_rows))
    ids = tuple(row.id if row else None for row in matched_rows)
    others = tuple(row for row in stored if row.segments and row.id not in ids)
    vocabulary = replace(vocabulary, is_thing=kinds)
    rest = rest_of(parts, vocabulary, others) if parts.settings.segment.unasked == "compete" else ()
    with_rest = _with_rest(parts, vocabulary, rest) if rest else None
    other_ids, rest_ids = (tuple(row.id for row in rows) for rows in (others, rest))
    return PreparedVocabulary(vocabulary, matches, ids, other_ids, rest_ids, with_rest)


def rest_of(parts: Models, vocabulary: Vocabulary, others: Sequence[StoreClass]) -> tuple[StoreClass, ...]:
    """Return the stored classes that compete for masks with the names that are asked.

    One that a name may mean does not: it is spelled like one of the vocabulary's terms, or its text is as near to one
    as a match by text asks for. Nor does a name that the backbone would truncate.

    vocabulary: with text, where the backbone reads.
    others: the classes that stand for no name of it.
    """
    spelled = {name_key(term) for term in vocabulary.terms}
    free = [row for row in others if spelled.isdisjoint(map(name_key, (row.name, *row.aliases)))]
    text = _text_of_classes(parts, [row.name for row in free]) if free and vocabulary.text is not None else None
    if text is None or vocabulary.text is None or not len(vocabulary):
        return tuple(free)
    nearest = (text @ vocabulary.text.to(text).T).amax(dim=1)  # (o,)
    limit = parts.matching_threshold if compares_text(parts, vocabulary) else math.inf
    kept = (nearest < limit) & (text.norm(dim=1) > 0)  # (o,); a name that is too long has a row of zeros
    return tuple(row for row, keeps in zip(free, kept.tolist(), strict=True) if keeps)


def _with_rest(parts: Models, vocabulary: Vocabulary, rest: Sequence[StoreClass]) -> Vocabulary:
    """Return the vocabulary with one class more, whose terms are the names of the rest; it is no thing.

    Its own name has no text: the row of the first term stands there twice, which changes no best term.
    """
    names = tuple(row.name for row in rest)
    text, own = text_of(parts.backbone, names), vocabulary.text
    rows = None if text is None or own is None else torch.cat([own, text[:1].to(own), text.to(own)])
    synonyms = (*(vocabulary.synonyms or ((),) * len(vocabulary)), names)
    return Vocabulary((*vocabulary.names, REST), (*vocabulary.is_thing, False), synonyms, rows, has_rest=True)


def missing(prepared: PreparedVocabulary) -> tuple[LabelMatch, ...]:
    """Return the matches of classes that the store has no segments for."""
    return tuple(match for match in prepared.matches if match.how is MatchKind.MISSING)


def used_matches(parts: Segmenter, prepared: PreparedVocabulary) -> tuple[LabelMatch, ...]:
    """Return the matches with a class of another name, by synonym, text, a person's word or a fill, that votes use."""
    if not needs_neighbours(parts):
        return ()
    own = (MatchKind.EXACT, MatchKind.MISSING)
    return tuple(match for match in prepared.matches if match.how not in own and match.is_of_another_name)


def _is_thing(declared: bool | None, stored: StoreClass | None) -> bool:
    """Return whether a class is countable: as declared by user or data set, else as stored, else True."""
    if declared is not None:
        return declared
    return stored is None or stored.is_thing is not False


def _matches(parts: Segmenter, vocabulary: Vocabulary, stored: Sequence[StoreClass]) -> tuple[LabelMatch, ...]:
    """Return the matches with the store's classes that have segments.

    One without segments is left out: it must neither hide a synonym that has some nor count as support.
    """
    alive = {row.id: row for row in stored if row.segments}
    decisions = parts.store.matches.decisions() if parts.store else Decisions()
    rejected = {
        key: {alive[category].name for category in decisions.barred_categories(key) if category in alive}
        for key in decisions.rejected
    }
    aliases = {row.name: row.aliases for row in alive.values()}

    def decided(match: LabelMatch) -> LabelMatch:
        return _as_decided(match, decisions.newest.get(name_key(match.name)), alive)

    return matches_with(parts, vocabulary, aliases, rejected, decided)


def matches_with(
    parts: Segmenter,
    vocabulary: Vocabulary,
    classes: Mapping[str, Sequence[str]],
    rejected: Mapping[str, set[str]],
    decided: Callable[[LabelMatch], LabelMatch] = lambda match: match,
) -> tuple[LabelMatch, ...]:
    """Return a match with one of `classes` per name of the vocabulary, by name, synonym and text.

    The names of the classes are encoded only where a name has no match by then.

    vocabulary: with text.
    classes: synonyms by name.
    rejected: as `match_labels` takes it.
    decided: replaces a match by what a person decided before.
    """
    names, threshold = list(classes), parts.matching_threshold
    matches = tuple(map(decided, match_labels(vocabulary, names, classes, None, threshold, rejected)))
    if (
        not compares_text(parts, vocabulary)
        or not names
        or all(match.how is not MatchKind.MISSING for match in matches)
    ):
        return matches
    text = _text_of_classes(parts, names)
    return tuple(map(decided, match_labels(vocabulary, names, classes, text, threshold, rejected)))


def compares_text(parts: Models, vocabulary: Vocabulary) -> bool:
    """Return whether names are compared by their text at all: the backbone reads, and a match by text can be."""
    return vocabulary.text is not None and parts.matching_threshold < 1


def _text_of_classes(parts: Models, names: Sequence[str]) -> Tensor | None:
    """Return a row per name of the store, zeros, which match nothing, for names that the backbone would truncate.

    One long name, stored when another backbone was used, must not prevent the others from being matched.
    """
    try:
        return text_of(parts.backbone, names)
    except NamesTooLong as error:
        log.warning(
            "classes of the store matched by their spelling alone: expected %s; got %s", error.expected, error.got
        )
        long = set(error.names)
    readable = [index for index, name in enumerate(names) if name not in long]
    vectors = text_of(parts.backbone, [names[index] for index in readable]) if readable else None
    if vectors is None:
        return None
    rows = vectors.new_zeros(len(names), vectors.shape[1])
    rows[readable] = vectors
    return rows


def _as_decided(match: LabelMatch, decision: ClassMatch | None, alive: Mapping[int, StoreClass]) -> LabelMatch:
    """Return the match with an earlier decision applied: a person's, or the data set that a class was fetched from.

    A class of the same name goes before a match that a person accepted, not before one that a person made.
    """
    if decision is None or not decision.holds:
        return match
    cosine = 1.0 if decision.similarity is None else decision.similarity
    if decision.dataset:
        own_class = next((row for row in alive.values() if row.name == match.store_class), None)
        if own_class is None or decision.key not in map(name_key, (own_class.name, *own_class.aliases)):
            return match
        return replace(
            match, how=MatchKind.FALLBACK, similarity=cosine, nearest=decision.matched, dataset=decision.dataset
        )
    stands = (
        alive.get(decision.category)
        if decision.category is not None and decision.decision == Decision.ACCEPTED
        else None
    )
    if stands is None or (match.how is MatchKind.EXACT and decision.how is not MatchKind.MAP):
        return match
    return LabelMatch(
        match.name, stands.name, decision.how, cosine, stands.name if decision.how is MatchKind.TEXT else None
    )


def _everything(stored: Sequence[StoreClass]) -> Vocabulary:
    alive = [row for row in stored if row.segments]
    if not alive:
        todo = "name them: --classes 'sky, car', where a classifier reads names; else add some first: retclip class add"
        raise ConfigError("class names", "none, and the store is empty", todo)
    return Vocabulary(tuple(row.name for row in alive), tuple(row.is_thing for row in alive))


def _check_needs(parts: Segmenter) -> None:
    backbone, *further = (
        Capable(component.name, component.provides, component.needs)
        for component in (parts.backbone, parts.proposer, *parts.classifiers)
    )
    check_pairing(backbone, further)
    if needs_neighbours(parts):
        require_store(parts).spaces.require_complete(parts.keys.component.space)


def needs_neighbours(parts: Segmenter) -> bool:
    """Return whether any classifier votes with the store."""
    return any(NEIGHBOURS in classifier.needs for classifier in parts.classifiers)
