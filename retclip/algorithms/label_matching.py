"""Label matching: maps each class of a vocabulary to a class of the feature store (paper, section 2.2; method.md D15).

Three rules, in this order: the same name; a synonym on either side; the nearest text, if its cosine is above 0.95.
Names are compared by `name_key`. A class without a match is MISSING, with the nearest name as a hint. A match that a
person has rejected is excluded from every rule.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from retclip.names import LabelMatch, MatchKind, name_key
from retclip.types import Vocabulary

THRESHOLD = 0.95  # paper, section 2.2


def match_labels(
    vocabulary: Vocabulary,
    store_classes: Sequence[str],
    store_synonyms: Mapping[str, Sequence[str]] | None = None,
    store_text: Float[Tensor, "s d"] | None = None,
    threshold: float = THRESHOLD,
    rejected: Mapping[str, Collection[str]] | None = None,
) -> tuple[LabelMatch, ...]:
    """Return one match per class of the vocabulary, in its order.

    store_classes: names of the s stored classes.
    store_synonyms: synonyms of a stored class, by its name.
    store_text: (s, d) unit vectors, a row per stored class; used where the vocabulary has text vectors too. Of equal
    similarities the class that comes first in `store_classes` wins.
    threshold: cosine in [-1, 1] that a match by text must exceed.
    rejected: stored classes that a name must not be matched to, by the name's key.
    """
    names = {name_key(name): name for name in reversed(store_classes)}  # the first of equal keys wins
    synonyms = {
        name_key(synonym): name for name in reversed(store_classes) for synonym in (store_synonyms or {}).get(name, ())
    }
    similarities = _similarities(vocabulary, store_text)
    matches = []
    for index, name in enumerate(vocabulary.names):
        own_synonyms = vocabulary.synonyms[index] if vocabulary.synonyms else ()
        row = similarities[index] if similarities is not None else None  # (s,)
        excluded = (rejected or {}).get(name_key(name), ())
        by_name = _match_by_name(name, own_synonyms, names, synonyms, excluded)
        matches.append(by_name or _match_by_text(name, store_classes, row, threshold, excluded))
    return tuple(matches)


def _match_by_name(
    name: str,
    own_synonyms: Sequence[str],
    names: Mapping[str, str],
    synonyms: Mapping[str, str],
    excluded: Collection[str],
) -> LabelMatch | None:
    terms = [(name, names, MatchKind.EXACT), (name, synonyms, MatchKind.SYNONYM)]
    terms += [(synonym, candidates, MatchKind.SYNONYM) for synonym in own_synonyms for candidates in (names, synonyms)]
    for term, candidates, kind in terms:
        candidate = candidates.get(name_key(term))
        if candidate is not None and candidate not in excluded:
            return LabelMatch(name, candidate, kind)
    return None


def _match_by_text(
    name: str, store_classes: Sequence[str], row: Tensor | None, threshold: float, excluded: Collection[str]
) -> LabelMatch:
    """Return the nearest class by text, or MISSING with a hint by spelling; excluded classes are neither."""
    if not excluded:
        return _by_text(name, store_classes, row, threshold)
    allowed = [index for index, store_class in enumerate(store_classes) if store_class not in excluded]
    return _by_text(
        name, [store_classes[index] for index in allowed], row[allowed] if row is not None else None, threshold
    )


def _by_text(name: str, store_classes: Sequence[str], row: Tensor | None, threshold: float) -> LabelMatch:
    if row is None or not len(store_classes):
        keys = [name_key(store_class) for store_class in store_classes]
        close = difflib.get_close_matches(name_key(name), keys, n=1, cutoff=0.6)
        nearest = store_classes[keys.index(close[0])] if close else None
        return LabelMatch(name, None, MatchKind.MISSING, similarity=0.0, nearest=nearest)
    best = int(row.argmax())
    similarity = float(row[best])
    if similarity > threshold:
        return LabelMatch(name, store_classes[best], MatchKind.TEXT, similarity, store_classes[best])
    return LabelMatch(name, None, MatchKind.MISSING, similarity, store_classes[best])


def _similarities(vocabulary: Vocabulary, store_text: Tensor | None) -> Tensor | None:
    """Return the (c, s) cosine of each class's best term with each stored class; None where a side has no text."""
    if vocabulary.text is None or store_text is None or not len(store_text):
        return None
    by_term = vocabulary.text @ store_text.T  # (r, s)
    row_class = torch.from_numpy(vocabulary.row_class).to(by_term.device)  # (r,)
    best = torch.full((len(vocabulary), len(store_text)), -1.0, dtype=by_term.dtype, device=by_term.device)  # (c, s)
    return best.scatter_reduce(0, row_class[:, None].expand_as(by_term), by_term, reduce="amax")
