"""From the names a user gives to a vocabulary that store and backbone understand: text vectors and store classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from retclip.algorithms.label_matching import match_labels
from retclip.device import inference
from retclip.errors import ConfigError
from retclip.names import LabelMatch, MatchKind
from retclip.plugin.checks import checked_text
from retclip.plugin.contracts import NEIGHBOURS
from retclip.plugin.pairing import Capable, check_pairing
from retclip.store.catalog import StoreClass
from retclip.types import Vocabulary
from retclip.workflows.parts import Parts


@dataclass(frozen=True, eq=False)
class PreparedVocabulary:
    """A vocabulary with its text vectors, how each class was matched, and its class row in the store (None = none)."""

    vocabulary: Vocabulary
    matches: tuple[LabelMatch, ...]
    store_classes: tuple[int | None, ...]


def prepare(parts: Parts, vocabulary: Vocabulary | None) -> PreparedVocabulary:
    """Match the names with the store's classes and encode them; None = every class of the store that has segments.

    Raises ConfigError where a classifier needs something that this backbone or store does not have, SpaceMismatch where
    it would vote with vectors of another feature space, whose distances look right and mean nothing, and
    SpaceIncomplete where segments lack their vector in it.
    """
    stored = parts.store.classes()
    vocabulary = vocabulary or _everything(stored)
    _check_needs(parts)
    vocabulary = replace(vocabulary, text=_text(parts, vocabulary.terms))
    matches = _matches(parts, vocabulary, stored)
    rows = {one.name: one for one in stored}
    found = [rows[match.store_class] if match.store_class is not None else None for match in matches]
    things = tuple(map(_is_thing, vocabulary.is_thing, found))
    return PreparedVocabulary(
        replace(vocabulary, is_thing=things), matches, tuple(one.id if one else None for one in found)
    )


def missing(prepared: PreparedVocabulary) -> tuple[LabelMatch, ...]:
    """The classes that the store cannot answer for."""
    return tuple(match for match in prepared.matches if match.how is MatchKind.MISSING)


def _is_thing(given: bool | None, stored: StoreClass | None) -> bool:
    """Who says it counts, in this order: the user or the data set, the store, nobody (then it is countable)."""
    if given is not None:
        return given
    return stored is None or stored.is_thing is not False


def _text(parts: Parts, names: Sequence[str]) -> Tensor | None:
    backbone = parts.backbone
    with inference(backbone.device):
        found = backbone.thing.text_vectors(names)
    return checked_text(found, len(names), backbone.thing.space, backbone.name)


def _matches(parts: Parts, vocabulary: Vocabulary, stored: Sequence[StoreClass]) -> tuple[LabelMatch, ...]:
    """By name and synonym; the store's names are encoded only where something is still missing then. A class without
    segments stands for nothing: it must neither hide a synonym that has some nor pass for support."""
    alive, threshold = [one for one in stored if one.segments], parts.settings.matching.threshold
    names, aliases = [one.name for one in alive], {one.name: one.aliases for one in alive}
    found = match_labels(vocabulary, names, aliases, threshold=threshold)
    if vocabulary.text is None or not names or all(match.how is not MatchKind.MISSING for match in found):
        return found
    return match_labels(vocabulary, names, aliases, _text(parts, names), threshold)


def _everything(stored: Sequence[StoreClass]) -> Vocabulary:
    alive = [one for one in stored if one.segments]
    if not alive:
        raise ConfigError("class names", "none, and the store is empty", "name them: --classes 'sky, car'")
    return Vocabulary(tuple(one.name for one in alive), tuple(one.is_thing for one in alive))


def _check_needs(parts: Parts) -> None:
    backbone, *others = (
        Capable(one.name, one.provides, one.needs) for one in (parts.backbone, parts.proposer, *parts.classifiers)
    )
    check_pairing(backbone, others)
    if needs_neighbours(parts):
        parts.store.require_complete(parts.keys.thing.space)


def needs_neighbours(parts: Parts) -> bool:
    """Whether any classifier votes with the store."""
    return any(NEIGHBOURS in classifier.needs for classifier in parts.classifiers)
