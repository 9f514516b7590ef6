"""Label matching: which stored class stands for a class of the user's (paper, section 2.2; method.md D15).

In this order: the same name; a synonym on either side; the nearest text, where its cosine is above 0.95. Names are
compared by `name_key`. What matches nothing is MISSING, with the nearest name as a hint. A pair that a person has
rejected is passed over by every rule.
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
    """One match per class of the vocabulary.

    store_text: (s, d) unit vectors, a row per stored class; used where the vocabulary has text vectors too. Equal
    similarities go to the class that comes first in `store_classes`. rejected: by a name's key the stored classes that
    must not stand for it.
    """
    names = {name_key(name): name for name in reversed(store_classes)}  # the first of equal keys wins
    synonyms = {
        name_key(synonym): name for name in reversed(store_classes) for synonym in (store_synonyms or {}).get(name, ())
    }
    similarities = _similarities(vocabulary, store_text)
    matches = []
    for index, name in enumerate(vocabulary.names):
        mine = vocabulary.synonyms[index] if vocabulary.synonyms else ()
        row = similarities[index] if similarities is not None else None
        barred = (rejected or {}).get(name_key(name), ())
        matches.append(
            _match(name, mine, names, synonyms, barred) or _near(name, store_classes, row, threshold, barred)
        )
    return tuple(matches)


def _match(
    name: str, mine: Sequence[str], names: Mapping[str, str], synonyms: Mapping[str, str], barred: Collection[str]
) -> LabelMatch | None:
    terms = [(name, names, MatchKind.EXACT), (name, synonyms, MatchKind.SYNONYM)]
    terms += [(synonym, known, MatchKind.SYNONYM) for synonym in mine for known in (names, synonyms)]
    for term, known, how in terms:
        found = known.get(name_key(term))
        if found is not None and found not in barred:
            return LabelMatch(name, found, how)
    return None


def _near(
    name: str, store_classes: Sequence[str], row: Tensor | None, threshold: float, barred: Collection[str]
) -> LabelMatch:
    """The nearest by text, or a hint by spelling. Rejected classes are neither."""
    if not barred:
        return _by_text(name, store_classes, row, threshold)
    kept = [index for index, one in enumerate(store_classes) if one not in barred]
    return _by_text(name, [store_classes[index] for index in kept], row[kept] if row is not None else None, threshold)


def _by_text(name: str, store_classes: Sequence[str], row: Tensor | None, threshold: float) -> LabelMatch:
    if row is None or not len(store_classes):
        near = difflib.get_close_matches(name_key(name), [name_key(one) for one in store_classes], n=1, cutoff=0.6)
        nearest = next((one for one in store_classes if near and name_key(one) == near[0]), None)
        return LabelMatch(name, None, MatchKind.MISSING, similarity=0.0, nearest=nearest)
    best = int(row.argmax())
    similarity = float(row[best])
    if similarity > threshold:
        return LabelMatch(name, store_classes[best], MatchKind.TEXT, similarity, store_classes[best])
    return LabelMatch(name, None, MatchKind.MISSING, similarity, store_classes[best])


def _similarities(vocabulary: Vocabulary, store_text: Tensor | None) -> Tensor | None:
    """(c, s) cosine of each class's best term with each stored class, None where either side has no text."""
    if vocabulary.text is None or store_text is None or not len(store_text):
        return None
    by_term = vocabulary.text @ store_text.T  # (r, s)
    row_class = torch.from_numpy(vocabulary.row_class).to(by_term.device)
    best = torch.full((len(vocabulary), len(store_text)), -1.0, dtype=by_term.dtype, device=by_term.device)
    return best.scatter_reduce(0, row_class[:, None].expand_as(by_term), by_term, reduce="amax")
